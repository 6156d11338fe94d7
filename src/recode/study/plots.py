"""The plot of a finished table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from recode.evaluate.reports.quickstart import pyplot, save_plot
from recode.records import read_jsonl
from recode.study.arms import StudyFolders, prepare, seeds_of
from recode.study.rows import TableRow
from recode.study.tables import StudyTable


def draw(table: StudyTable, rows: Sequence[TableRow], folders: StudyFolders, path: Path) -> None:
    """Draw the table's plot.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    plt = pyplot()
    if table.plot == "curves":
        figure = _curves(plt, table, folders)
    elif table.plot == "scatter":
        figure = _scatter(plt, table, rows)
    else:
        figure = _intervals(plt, table, rows)
    save_plot(figure, path)


def _intervals(plt: Any, table: StudyTable, rows: Sequence[TableRow]) -> Any:
    """Draw a panel for each of the first three columns: per arm its mean with the 95% interval."""
    columns = table.columns[:3]
    figure, axes = plt.subplots(
        1,
        len(columns),
        figsize=(4.2 * len(columns), 1.0 + 0.34 * len(rows)),
        layout="constrained",
        sharey=True,
        squeeze=False,
    )
    for axis, column in zip(axes[0], columns, strict=True):
        for height, row in enumerate(reversed(rows)):
            cell = row.cells[column]
            if cell.mean is None:
                continue
            low, high = cell.interval or (cell.mean, cell.mean)
            # Rounding can move an interval of zero width slightly off its mean.
            error = [[max(0.0, cell.mean - low)], [max(0.0, high - cell.mean)]]
            color = "#444444" if row.name == table.against else "#1f77b4"
            axis.errorbar(cell.mean, height, xerr=error, fmt="o", color=color, capsize=3)
        axis.set_title(column, fontsize=10)
        axis.grid(axis="x", alpha=0.25)
    axes[0][0].set_yticks(range(len(rows)), [row.name for row in reversed(rows)])
    return figure


def _scatter(plt: Any, table: StudyTable, rows: Sequence[TableRow]) -> Any:
    """Draw the first column against the second: the gain, and its cost."""
    across, up = table.columns[:2]
    figure, axis = plt.subplots(figsize=(7, 5), layout="constrained")
    for row in rows:
        x, y = row.cells[across].mean, row.cells[up].mean
        if x is not None and y is not None:
            axis.plot(x, y, "o", color="#444444" if row.name == table.against else "#1f77b4")
            axis.annotate(row.name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    axis.grid(alpha=0.25)
    return figure


def _curves(plt: Any, table: StudyTable, folders: StudyFolders) -> Any:
    """Draw exact match of rollouts over training steps, as the mean of the last ten, a line per seed."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, name in enumerate(table.arms):
        for position, seed in enumerate(seeds_of(table, name, folders)):
            prepared = prepare(table, name, seed, folders)
            if prepared.recipe is None:
                continue
            log = Path(prepared.model).parent / "log.jsonl"
            rows = [row for _, row in read_jsonl(log) if row.get("exact") is not None] if log.exists() else []
            if rows:
                values = [float(row["exact"]) for row in rows]
                smooth = [fmean(values[max(0, i - 9) : i + 1]) for i in range(len(values))]
                axis.plot(
                    [row["step"] for row in rows], smooth, color=f"C{number}", label=name if position == 0 else None
                )
    axis.set_xlabel("step")
    axis.set_ylabel("exact match of rollouts")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, fontsize=8)
    return figure
