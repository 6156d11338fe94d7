"""Pinned library environments and the execution of programs in them."""
