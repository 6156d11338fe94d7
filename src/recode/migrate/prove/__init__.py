"""Proof of a rewriting by running the user's tests in both releases."""
