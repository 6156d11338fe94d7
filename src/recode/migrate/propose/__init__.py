"""Rewritings proposed by a model for places that no rule covers."""
