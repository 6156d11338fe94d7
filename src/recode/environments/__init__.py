"""Migrations as tasks and episodes for trainers: the same tasks, runs and rewards behind every framework.

`tasks`, `observations`, `grading` and `episode` import no framework. Everything that a model writes runs in `recode.sandbox`.
"""
