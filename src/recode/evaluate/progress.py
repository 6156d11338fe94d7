"""Progress reports of an evaluation. Nothing here prints; the caller shows the reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EvaluationProgress:
    """A step of one stage, such as `humaneval: judging`.

    `advance` counts what was done since the stage's last report. The first report of a stage counts what an earlier run had done.
    """

    stage: str
    total: int
    advance: int


OnProgress = Callable[[EvaluationProgress], None]


def ignore_progress(report: EvaluationProgress) -> None:
    """Do nothing with a report."""


def progress_lines(display: Any) -> OnProgress:
    """Return a callback that shows each stage as a line.

    Args:
        display: a `rich.progress.Progress`, or anything that has its `add_task` and `update`.
    """
    lines: dict[str, Any] = {}

    def show(report: EvaluationProgress) -> None:
        if report.stage not in lines:
            lines[report.stage] = display.add_task(report.stage, total=report.total)
        display.update(lines[report.stage], advance=report.advance)

    return show
