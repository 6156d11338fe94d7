"""What `recode migrate` prints: a coloured diff, and what became of every place."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recode.migrate.find.findings import readable
from recode.migrate.pipeline import Migrated
from recode.migrate.report.summary import counts, places, tests
from recode.migrate.source.patch import Rewritten, file_patch

_STYLES = {"+": "green", "-": "red", "@": "cyan", "d": "bold"}


def print_diff(console: Console, files: Sequence[Rewritten]) -> None:
    """Print a unified diff, in colours where the terminal has them."""
    for file in files:
        for line in file_patch(file).split(b"\n")[:-1]:
            shown = line.decode("utf-8", "replace").rstrip("\r")
            style = "bold" if shown.startswith(("+++", "---")) else _STYLES.get(shown[:1], "")
            console.print(Text(shown, style), soft_wrap=True)


def print_summary(console: Console, result: Migrated) -> None:
    """Print a table of places with their outcomes, what the tests said, and what was not looked at."""
    table = Table("place", "symbol", "outcome", "why", title=_title(result))
    for row in places(result):
        place = f"{row['file']}{'' if 'cell' not in row else ' cell ' + str(row['cell'])}:{row['line']}"
        how = f"{row['outcome']}, {row['how']}" if row["how"] else row["outcome"]
        table.add_row(*(Text(one, overflow="fold") for one in (place, row["symbol"], how, row["remark"])))
    console.print(table)
    for row in places(result):
        if row["outcome"] in ("left alone", "unproven", "refuted"):
            console.print(Text(f"{row['file']}:{row['line']}: {row['advice']}", "dim"), soft_wrap=True)
    for name, value in tests(result).items():
        console.print(f"{name}: {value}", markup=False, highlight=False)
    for remark in result.remarks:
        console.print(remark, style="yellow", markup=False, soft_wrap=True)
    for one in result.scanned.skipped:
        console.print(f"not looked at: {readable(one.file)}: {one.reason}", style="dim", markup=False, soft_wrap=True)
    console.print(_bottom_line(result), markup=False, soft_wrap=True)


def _title(result: Migrated) -> str:
    asked = result.asked
    return f"{asked.library} {asked.old} → {asked.new}"


def _bottom_line(result: Migrated) -> str:
    found = counts(result)
    if not found:
        return "nothing to do: no use of anything that this release breaks or deprecates"
    said = ", ".join(f"{count} {name}" for name, count in found.items())
    hows = {change.how for change in result.offered}
    model = "" if "model" in hows or not hows else "; the changes were made by syntax tree, without a model"
    return f"{sum(found.values())} places: {said}{model}"
