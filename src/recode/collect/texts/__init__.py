"""The texts of releases: deprecation messages in the sources, items of the release notes, and how their sentences are read."""
