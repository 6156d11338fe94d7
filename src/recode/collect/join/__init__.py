"""Joining differences with what messages and notes say about them, into update families with evidence."""
