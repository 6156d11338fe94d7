"""The public names of a release, listed by its own interpreter, and the differences between two releases."""
