"""Witnesses of a breakage that need no knowledge of the library: a type checker, and the project's own runs."""
