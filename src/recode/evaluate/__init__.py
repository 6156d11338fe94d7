"""Evaluation: what a model does on held-out migrations, what it forgets, and whether a difference is real."""
