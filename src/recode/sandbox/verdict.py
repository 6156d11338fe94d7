"""Outcomes of programs, and the verdict that holds an outcome and its evidence."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from recode.records import Record
from recode.sandbox.fork_servers import Level


class Outcome(StrEnum):
    """How a judged program, or a benchmark's item, ended."""

    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    UNGRADABLE = "ungradable"
    """Undecided: the sandbox failed, the test cannot run, or a pass could not be confirmed. Never a pass, and never a reward."""
    UNAVAILABLE = "unavailable"
    """This machine lacks something that a benchmark's item needs."""


class Verdict(Record):
    """The outcome of one program, its isolation level, its wall time in seconds, and the reason."""

    outcome: Outcome
    level: Level
    seconds: float
    detail: str = ""
    starved: bool = Field(default=False, exclude=True)
    """Whether it timed out after waiting long for a core, so that other programs may be to blame."""
