"""Programs composed of several verified ones."""
