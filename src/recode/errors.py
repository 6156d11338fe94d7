"""The errors that are reported to users. Every message says what is wrong and what to do about it."""

from __future__ import annotations


class RecodeError(Exception):
    """Base of all errors that are reported to the user as one line, without a traceback (exit code 2)."""


class RecordError(RecodeError):
    """A data file holds something that is not a valid record; the message names file, line and field."""


class RecipeError(RecodeError):
    """A recipe holds an unknown key, a wrong value or names something that does not exist."""


class EnvironmentBuildError(RecodeError):
    """A pinned library environment could not be built."""


class MissingExtraError(RecodeError):
    """An optional dependency is not installed; the message names the extra to install."""


class ProcessEndedError(RecodeError):
    """One of the command's own processes was killed from outside; the kernel does that when memory is full."""

    def __init__(self) -> None:
        super().__init__(
            "a process was killed from outside, often because memory ran out; use fewer --jobs or --workers where the command has them, or "
            "free some memory. Finished work is kept, and the same command resumes from there"
        )


class SandboxError(RecodeError):
    """This machine cannot give the requested level of isolation; the message says what is missing."""
