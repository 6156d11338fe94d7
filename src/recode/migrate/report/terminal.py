"""What `recode migrate` prints: a coloured diff, and what became of every place."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recode.display import printable
from recode.migrate.report.summary import counts, places, tests
from recode.migrate.report.wording import NEEDS_ATTENTION, a_model_may_help, conclusion_lines
from recode.migrate.result import MigrationResult
from recode.migrate.rewrite.changes import Method
from recode.migrate.source.patch import Rewritten, file_patch

_STYLES = {"+": "green", "-": "red", "@": "cyan", "d": "bold"}


def print_diff(console: Console, files: Sequence[Rewritten]) -> None:
    """Print a unified diff, in colours if the terminal has them."""
    for file in files:
        for line in file_patch(file).split(b"\n")[:-1]:
            shown = line.decode("utf-8", "replace").rstrip("\r")
            style = "bold" if shown.startswith(("+++", "---")) else _STYLES.get(shown[:1], "")
            console.print(Text(shown, style), soft_wrap=True)


def print_summary(console: Console, result: MigrationResult) -> None:
    """Print a table of places with their outcomes, what the tests showed, and the files that were not read."""
    table = Table("place", "symbol", "outcome", "why", title=_title(result))
    reports = places(result)
    for place in reports:
        outcome = f"{place.outcome}, {place.method}" if place.method else place.outcome.value
        cells = place.where, place.finding.symbol, outcome, place.remark
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    if reports:
        console.print(table)
    for place in reports:
        if place.outcome in NEEDS_ATTENTION:
            finding = place.finding
            where = f"{printable(finding.file.as_posix())}:{finding.line}"
            console.print(Text(f"{where}: {finding.advice}", "dim"), soft_wrap=True)
    for name, value in tests(result).items():
        console.print(f"{name}: {value}", markup=False, highlight=False)
    for remark in result.remarks:
        console.print(printable(remark), style="yellow", markup=False, soft_wrap=True)
    for skip in result.scanned.skipped:
        line = f"not read: {printable(skip.file.as_posix())}: {printable(skip.reason)}"
        console.print(line, style="dim", markup=False, soft_wrap=True)
    if advice := a_model_may_help(result):
        console.print(advice, style="dim", markup=False, soft_wrap=True)
    if reports:
        console.print(_count_line(result), markup=False, soft_wrap=True)
    for line in conclusion_lines(result):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _title(result: MigrationResult) -> str:
    upgrade = result.upgrade
    return f"{upgrade.library} {upgrade.old} → {upgrade.new}"


def _count_line(result: MigrationResult) -> str:
    outcomes = counts(result)
    listed = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    methods = {change.method for change in result.offered}
    by_rule = methods and Method.MODEL not in methods
    ending = "; the changes were made by syntax tree, without a model" if by_rule else ""
    return f"{sum(outcomes.values())} places: {listed}{ending}"
