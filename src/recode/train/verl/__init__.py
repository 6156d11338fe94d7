"""Recipes run by verl on a Ray cluster: its configuration, data files and commands."""
