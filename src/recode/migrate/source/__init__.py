"""Source files: read so that they can be written back byte for byte, parsed, edited by position."""
