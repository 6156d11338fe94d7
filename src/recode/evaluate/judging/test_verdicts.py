"""Verdicts by asserts that run in a second sandbox, for benchmarks whose tests are plain Python."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from recode.evaluate.benchmark import Advance, Judgement
from recode.machine import overloaded
from recode.sandbox.fork_servers import Interpreter, Limits
from recode.sandbox.pool import ProgramTask, judge_all
from recode.sandbox.verdict import Verdict

_PATIENCE = 4.0


def judge_tasks(
    tasks: Sequence[ProgramTask], limits: Limits, advance: Advance, *, preload: Sequence[str] = (), interpreter: Interpreter | None = None,
    workers: int | None = None, cancelled: threading.Event | None = None,
) -> list[Verdict]:  # fmt: skip
    """Judge tasks in the strongest isolation that this machine supports; return their verdicts in order.

    On an overloaded machine a timeout means little, so tasks that timed out are tried once more, one at a time, with four times the time.

    Raises:
        SandboxError: this machine supports no isolation.
    """
    chosen = interpreter or Interpreter(preload=tuple(preload))
    verdicts = judge_all(
        tasks,
        interpreter=chosen,
        limits=limits,
        workers=workers,
        cancelled=cancelled,
        on_done=lambda number, verdict: advance(1),
    )
    # None marks a task that was not begun because of an interrupt, which is raised elsewhere.
    found = [verdict for verdict in verdicts if verdict is not None]
    late = [number for number, verdict in enumerate(found) if verdict.outcome == "timeout"]
    if late and overloaded():
        patient = replace(limits, seconds=_PATIENCE * limits.seconds)
        again = judge_all(
            [tasks[number] for number in late], interpreter=chosen, limits=patient, workers=1, cancelled=cancelled
        )
        for number, verdict in zip(late, again, strict=True):
            found[number] = verdict or found[number]
    return found


def as_judgement(verdict: Verdict, answer: str) -> Judgement:
    """Return a verdict with its only score, `pass`. An unconfirmed pass scores 0, so ungradable items never raise a rate."""
    return Judgement(verdict.outcome, verdict.detail, {"pass": float(verdict.outcome == "passed")}, answer)
