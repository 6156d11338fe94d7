"""The user's project: its files, git, the releases it uses, environments, and writing to it."""
