"""What `recode scan` knows about libraries: updates and the shape of an API, how they are built, and where they are stored."""
