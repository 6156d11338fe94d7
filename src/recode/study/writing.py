"""A finished table as Markdown and as a plot. It reads files alone, so it can be written again at any time."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from recode.evaluate.reports.comparison import Arm, arms_of, compare, graded_items
from recode.records import read_jsonl
from recode.rewards import score as reward_of
from recode.study.arms import Place, Prepared, evaluation_folder, prepare, samples_of, seeds_of
from recode.study.spread import half_widths, single_run, widened
from recode.study.tables import COMPUTED_REWARDS, PYTHON_LOSS, StudyTable
from recode.train.recipes import PolicyRecipe, SftRecipe

_PLAIN = ("reward", "lift", "reward_of_copying", *COMPUTED_REWARDS)
"""Scores that are no share of anything."""


@dataclass(frozen=True)
class Cell:
    """A column's value of an arm: mean with its interval over seeds and items, the change against the first arm, and n."""

    mean: float | None
    interval: tuple[float, float] | None = None
    change: tuple[float, float, float] | None = None
    n: int = 0
    widened: bool = False
    """The interval of a single run covers what other runs would give."""


@dataclass(frozen=True)
class Row:
    """An arm: its cells by column, how many seeds it has, and the mean minutes of its training (None: not trained here)."""

    name: str
    seeds: int
    minutes: float | None
    cells: dict[str, Cell]
    drawn: bool = False
    """Another seed would have given another model: it was fine-tuned."""


def rows_of(table: StudyTable, place: Place, reference: StudyTable | None = None) -> list[Row]:
    """Return the table's rows, the arm that others are compared with first.

    With a `reference`, the intervals of arms with a single seed cover how much the reference's runs of that method differ.

    Raises:
        RecordError: an evaluation is not finished.
    """
    runs = {
        name: [prepare(table, name, seed, place) for seed in seeds_of(table, name, place)] for name in table.ordered()
    }
    cells = {name: dict[str, Cell]() for name in runs}
    for column in table.columns:
        found = _losses(runs) if column == PYTHON_LOSS else _compared(table, runs, column, place, reference)
        for name, cell in found.items():
            cells[name][column] = cell
    return [
        Row(name, len(done), _minutes(done), cells[name], isinstance(done[0].recipe, SftRecipe | PolicyRecipe))
        for name, done in runs.items()
    ]


def _compared(
    table: StudyTable, runs: dict[str, list[Prepared]], column: str, place: Place, reference: StudyTable | None
) -> dict[str, Cell]:
    benchmark, score = column.split()
    samples = samples_of(table, score)
    arms = arms_of(
        (name, evaluation_folder(table, one, benchmark, samples, place)) for name, done in runs.items() for one in done
    )
    if score in COMPUTED_REWARDS:
        _add_reward(arms, benchmark, score)
    widths = half_widths(reference, column, samples, graded_items(arms[0], benchmark, score), place)
    lacks = {name: single_run(done, widths) for name, done in runs.items()}
    found = {}
    for row in compare(arms, benchmark, score):
        name = row["arm"]
        if "rate" not in row:
            found[name] = Cell(None)
            continue
        low, mean, high = row["rate"]
        # A share stays one: what is added to its interval may be more than there is.
        least, most = (-math.inf, math.inf) if score in _PLAIN else (0.0, 1.0)
        low, high = widened((low, high), mean, lacks[name])
        change = None
        if row.get("difference"):
            lowest, difference, highest = row["difference"]
            lowest, highest = widened((lowest, highest), difference, lacks[name], lacks[table.against])
            change = lowest, difference, highest
        found[name] = Cell(mean, (max(least, low), min(most, high)), change, row["n"], bool(lacks[name]))
    return found


def _add_reward(arms: Sequence[Arm], benchmark: str, name: str) -> None:
    family, weights = COMPUTED_REWARDS[name]
    for arm in arms:
        for run in arm.runs:
            for sample in run.samples[benchmark]:
                given, gold = sample["given"], sample["gold"]
                scores = reward_of(sample["completion"] or "", gold, given, family=family, weights=weights)
                sample["scores"][name] = scores.total


def _losses(runs: dict[str, list[Prepared]]) -> dict[str, Cell]:
    """Return the mean loss over seeds, with plus and minus a standard deviation where there are several."""
    found = {}
    for name, done in runs.items():
        read = [json.loads((one.folder / f"{PYTHON_LOSS}.json").read_text(encoding="utf-8")) for one in done]
        losses = [float(one["loss"]) for one in read]
        mean, spread = fmean(losses), stdev(losses) if len(losses) > 1 else 0.0
        found[name] = Cell(mean, (mean - spread, mean + spread), n=read[0]["n"])
    return found


def _minutes(done: Sequence[Prepared]) -> float | None:
    taken = []
    for one in done:
        result = Path(one.model).parent / "result.json"
        if one.recipe is not None and result.exists():
            taken.append(json.loads(result.read_text(encoding="utf-8"))["seconds"] / 60)
    return fmean(taken) if taken else None


def markdown(name: str, table: StudyTable, rows: Sequence[Row], plot: str) -> str:
    """Return the table with its question, command, seeds and n."""
    counts = {column: max(row.cells[column].n for row in rows) for column in table.columns}
    timed = any(row.minutes is not None for row in rows)
    heads = [
        "arm",
        *(f"{column} (n = {counts[column]})" for column in table.columns),
        *(["minutes of training"] if timed else []),
    ]
    lines = [f"## {table.title}", "", table.asks, "", "```", f"recode study {name}", "```", ""]
    lines += [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for row in rows:
        seeds = f" ({row.seeds} seeds)" if row.seeds > 1 else ""
        cells = [f"{row.name}{seeds}", *(_text(column, row.cells[column]) for column in table.columns)]
        if timed:
            cells.append("" if row.minutes is None else f"{row.minutes:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"{_seeds(table)}. {_legend(table, rows)}", "", f"![{table.title}]({plot})", ""]
    # It was read off one run, and these figures may be of another.
    found = ["What was found in the run of docs/results.md:", "", table.finds, ""] if table.finds else []
    return "\n".join([*lines, *found])


def _seeds(table: StudyTable) -> str:
    if table.by_seed:
        return "A row is one seed"
    return f"Seed {table.seeds[0]}" if len(table.seeds) == 1 else f"Seeds {', '.join(map(str, table.seeds))}"


def _legend(table: StudyTable, rows: Sequence[Row]) -> str:
    seeds = "" if table.by_seed or len(table.seeds) == 1 else "seeds and "
    told = (
        f"In brackets the change against `{table.against}` with its 95% interval ({seeds}whole update families resampled; "
        "bold where it excludes zero)."
    )
    if table.by_seed:
        told += " It covers items alone, not what another seed would give."
    elif len(table.seeds) == 1:
        told += _of_one_seed(table, [row for row in rows if row.drawn])
    if table.own_decoding:
        told += " Samples are drawn as the benchmark's authors do; `@k`: unbiased estimates."
    elif any("@" in column for column in table.columns):
        told += f" `@k`: unbiased estimates from {table.samples} samples at temperature {table.temperature:g}; everything else is greedy."
    if PYTHON_LOSS in table.columns:
        told += " Python loss: nats a token on held-out functions, mean and standard deviation over seeds."
    return told


def _of_one_seed(table: StudyTable, drawn: Sequence[Row]) -> str:
    """Say what the intervals of arms with one seed cover."""
    columns = [column for column in table.columns if column != PYTHON_LOSS]
    alone = [column for column in columns if not all(row.cells[column].widened for row in drawn)]
    if len(alone) == len(columns) or not drawn:
        return " With one seed the interval covers items alone, not what another seed would give."
    told = f" With one seed, the interval is widened by how much runs of a method differ in `{table.spread}`"
    return told + (f"; in {', '.join(alone)} it covers items alone." if alone else ".")


def _text(column: str, cell: Cell) -> str:
    if cell.mean is None:
        return "–"
    if column == PYTHON_LOSS:
        low, high = cell.interval or (cell.mean, cell.mean)
        return f"{cell.mean:.3f}" + (f" ± {(high - low) / 2:.3f}" if high > low else "")
    plain = column.split()[1] in _PLAIN
    scale, places, unit = (1, 2, "") if plain else (100, 1, "%")
    text = f"{scale * cell.mean:.{places}f}{unit}"
    if cell.change is None:
        return text
    low, mean, high = (scale * value for value in cell.change)
    mark = "**" if low > 0 or high < 0 else ""
    return f"{text} ({mark}{mean:+.{places}f} [{low:+.{places}f}, {high:+.{places}f}]{mark})"


def draw(table: StudyTable, rows: Sequence[Row], place: Place, path: Path) -> None:
    """Draw the table's plot.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from recode.evaluate.reports.quickstart import pyplot, save_plot

    plt = pyplot()
    if table.plot == "curves":
        figure = _curves(plt, table, place)
    elif table.plot == "scatter":
        figure = _scatter(plt, table, rows)
    else:
        figure = _intervals(plt, table, rows)
    save_plot(figure, path)


def _intervals(plt: Any, table: StudyTable, rows: Sequence[Row]) -> Any:
    """A panel for each of the first three columns: a row an arm, its mean with the 95% interval."""
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
            # An interval without width may lie a rounding error beside its mean.
            error = [[max(0.0, cell.mean - low)], [max(0.0, high - cell.mean)]]
            color = "#444444" if row.name == table.against else "#1f77b4"
            axis.errorbar(cell.mean, height, xerr=error, fmt="o", color=color, capsize=3)
        axis.set_title(column, fontsize=10)
        axis.grid(axis="x", alpha=0.25)
    axes[0][0].set_yticks(range(len(rows)), [row.name for row in reversed(rows)])
    return figure


def _scatter(plt: Any, table: StudyTable, rows: Sequence[Row]) -> Any:
    """The first column against the second: what is gained, and what it costs."""
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


def _curves(plt: Any, table: StudyTable, place: Place) -> Any:
    """Exact match of rollouts against steps of training, the mean of the last ten, a line a seed."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, name in enumerate(table.arms):
        for place_in, seed in enumerate(seeds_of(table, name, place)):
            prepared = prepare(table, name, seed, place)
            if prepared.recipe is None:
                continue
            log = Path(prepared.model).parent / "log.jsonl"
            rows = [row for _, row in read_jsonl(log) if row.get("exact") is not None] if log.exists() else []
            if rows:
                values = [float(row["exact"]) for row in rows]
                smooth = [fmean(values[max(0, i - 9) : i + 1]) for i in range(len(values))]
                axis.plot(
                    [row["step"] for row in rows], smooth, color=f"C{number}", label=name if place_in == 0 else None
                )
    axis.set_xlabel("step")
    axis.set_ylabel("exact match of rollouts")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, fontsize=8)
    return figure
