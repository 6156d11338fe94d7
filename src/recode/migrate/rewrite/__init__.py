"""Rewritings by rule, without a model."""
