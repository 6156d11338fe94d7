"""`recode quickstart`: run it with progress bars, write the report, print the table."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from recode.evaluate.reports.quickstart import pyplot, write_report
from recode.evaluate.reports.seeds import ungradable_note
from recode.models import quiet
from recode.quickstart import SPLITS, QuickstartSettings, quickstart


def run_quickstart(settings: QuickstartSettings) -> None:
    """Run the quickstart, write the report, print the table and the report's path.

    Raises:
        RecodeError: an extra is missing, which is checked before anything runs; or as `quickstart`.
    """
    quiet()
    pyplot()
    console = Console()
    columns = (
        TextColumn("{task.description:>22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        report = quickstart(settings, progress)
    page = write_report(settings.out)
    console.print(quickstart_table(report))
    console.print(
        f"{report['minutes']:.1f} minutes. The report with curves and examples: {page.resolve()}", soft_wrap=True
    )


def quickstart_table(report: dict[str, Any]) -> Table:
    """Return a table with a row per arm: exact match on each split with the interval of its change against the base."""
    shown = Table(
        title="Exact match, greedy; in brackets the 95% interval of the change against base", caption_justify="left"
    )
    shown.add_column("arm")
    for split in SPLITS:
        shown.add_column(
            f"{split}\n(n = {report['arms']['base'][split]['n']}{ungradable_note([report], split)})", justify="right"
        )
    shown.add_column("reward on\ntest_updates", justify="right")
    shown.add_column("Python loss\n(held out)", justify="right")
    for arm, results in report["arms"].items():
        cells = []
        for split in SPLITS:
            text = f"{100 * results[split]['exact']:.1f}%"
            if arm in report["delta"]:
                low, _, high = report["delta"][arm][split]["exact"]
                text += f"\n[{100 * low:+.1f}, {100 * high:+.1f}]"
            cells.append(text)
        shown.add_row(
            arm, *cells, f"{results['test_updates']['reward']:.2f}", f"{results['forgetting']['python_loss']:.3f}"
        )
    copying = report["arms"]["base"]["test_updates"]["reward_of_copying"]
    shown.caption = f"Reward: {' + '.join(report['reward'])}. Copying the old code unchanged earns {copying:.2f} of it on test_updates."
    return shown
