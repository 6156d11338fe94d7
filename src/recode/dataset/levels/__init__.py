"""Notes at levels: what the releases themselves say of each update, quoted with version, file and line."""
