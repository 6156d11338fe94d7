"""Rewriting rules learned from verified pairs of programs: pattern → template, with the imports that the template needs."""
