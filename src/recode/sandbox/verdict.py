"""What a program is worth: the outcomes, and a verdict with its evidence."""

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
    """It cannot be said: the sandbox failed, the test cannot be run, or a pass could not be confirmed. Never a pass, and never a reward."""
    UNAVAILABLE = "unavailable"
    """This machine cannot have what a benchmark's item needs."""


class Verdict(Record):
    """The outcome of one program, the isolation it ran under, its wall time in seconds, and the reason."""

    outcome: Outcome
    level: Level
    seconds: float
    detail: str = ""
    starved: bool = Field(default=False, exclude=True)
    """Whether it ran out of time after waiting long for a core, so that its neighbours may be to blame."""
