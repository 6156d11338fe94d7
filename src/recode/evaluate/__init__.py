"""Evaluation: how well a model follows unseen updates, what it forgets, and whether a difference is significant."""
