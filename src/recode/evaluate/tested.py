"""Verdicts by asserts that run in a second sandbox, for benchmarks whose tests are plain Python."""

from __future__ import annotations

from collections.abc import Sequence

from recode.evaluate.benchmark import Advance, Judgement
from recode.sandbox.judging import Verdict
from recode.sandbox.pool import Task, judge_all
from recode.sandbox.zygotes import Interpreter, Limits


def judge_tasks(
    tasks: Sequence[Task], limits: Limits, advance: Advance, *, preload: Sequence[str] = (), interpreter: Interpreter | None = None
) -> list[Verdict]:  # fmt: skip
    """Judge tasks in the strongest isolation this machine gives; return their verdicts in order.

    Raises:
        SandboxError: it gives none.
    """
    verdicts = judge_all(
        tasks, interpreter=interpreter or Interpreter(preload=tuple(preload)), limits=limits, on_done=lambda _: advance(1)
    )  # fmt: skip
    # None stands for what was not begun because of an interrupt, which is raised instead.
    return [verdict for verdict in verdicts if verdict is not None]


def as_judgement(verdict: Verdict, answer: str) -> Judgement:
    """Return a verdict with its one score, `pass`; None where the program is ungradable."""
    if verdict.outcome == "ungradable":
        return Judgement("ungradable", verdict.detail, {"pass": None}, answer)
    return Judgement(verdict.outcome, verdict.detail, {"pass": float(verdict.outcome == "passed")}, answer)
