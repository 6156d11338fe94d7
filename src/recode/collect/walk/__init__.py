"""The public names of a release as its own interpreter sees them, and what differs between two releases."""
