"""Whether a call fits the new release, and the edits of its arguments."""
