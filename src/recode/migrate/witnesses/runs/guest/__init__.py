"""What runs inside the project's processes, in the environment of a release: standard library only, Python 3.8 or later."""
