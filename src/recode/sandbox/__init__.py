"""Pinned library environments, and isolated execution of programs in them."""
