"""`recode report`: choose the report by what the named folders hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recode.evaluate.reports.comparison import is_evaluation
from recode.evaluate.reports.comparison_page import write_comparison
from recode.evaluate.reports.quickstart import write_report
from recode.evaluate.reports.seeds import compare_seeds


def report_on(runs: Sequence[str], out: Path) -> str:
    """Write the report on evaluations or on one quickstart and return its path; for several quickstarts return the table over their seeds.

    Raises:
        RecodeError: a folder holds neither, or is not finished.
    """
    folders = [Path(run.partition("=")[2] or run) for run in runs]
    if any("=" in run for run in runs) or any(map(is_evaluation, folders)):
        return str(write_comparison(runs, out))
    return compare_seeds(folders) if len(folders) > 1 else str(write_report(folders[0]))
