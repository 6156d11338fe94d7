"""From update sources to verified records: read, verify by running, split, write."""
