"""What is known of libraries' releases: the updates and the shape of an API, where they are stored and how they are built."""
