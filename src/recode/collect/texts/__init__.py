"""What a release's own texts say: deprecation messages in its sources, items of its release notes."""
