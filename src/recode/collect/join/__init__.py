"""Differences, messages and notes joined into update families, each with its evidence."""
