"""The rows of a finished table. Only files are read, so a table can be rewritten at any time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev

from recode.evaluate.reports.comparison import NOT_COUNTED, EvaluatedArm, arms_of, compare, graded_items
from recode.rewards import score as reward_of
from recode.study.arms import PreparedArm, StudyFolders, evaluation_folder, prepare, samples_of, seeds_of
from recode.study.spread import half_widths, single_run, widened
from recode.study.tables import COMPUTED_REWARDS, PYTHON_LOSS, StudyTable
from recode.train.recipes import PolicyRecipe, SftRecipe

PLAIN_SCORES = ("reward", "lift", "reward_of_copying", *COMPUTED_REWARDS)
"""Scores that are not a share of anything."""


@dataclass(frozen=True)
class TableCell:
    """An arm's value in a column: mean with its interval over seeds and items, the change against the first arm, and n.

    `not_counted` is the number of items and completions that are excluded from all rates, by reason.
    """

    mean: float | None
    interval: tuple[float, float] | None = None
    change: tuple[float, float, float] | None = None
    n: int = 0
    widened: bool = False
    """The interval of a single run is widened by how much runs of its method differ."""
    not_counted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TableRow:
    """An arm: its number of seeds, the mean minutes of its training (None if it was not trained here), its cells by column."""

    name: str
    seeds: int
    minutes: float | None
    cells: dict[str, TableCell]
    fine_tuned: bool = False
    """Another seed would have given another model."""


def rows_of(table: StudyTable, folders: StudyFolders, reference: StudyTable | None = None) -> list[TableRow]:
    """Return the table's rows, starting with the arm that the others are compared with.

    With a `reference`, the intervals of arms with a single seed are widened by how much the reference's runs of their method differ.

    Raises:
        RecordError: an evaluation is not finished.
    """
    runs = {
        name: [prepare(table, name, seed, folders) for seed in seeds_of(table, name, folders)]
        for name in table.ordered()
    }
    cells = {name: dict[str, TableCell]() for name in runs}
    for column in table.columns:
        values = _losses(runs) if column == PYTHON_LOSS else _compared(table, runs, column, folders, reference)
        for name, cell in values.items():
            cells[name][column] = cell
    return [
        TableRow(name, len(done), _minutes(done), cells[name], isinstance(done[0].recipe, SftRecipe | PolicyRecipe))
        for name, done in runs.items()
    ]


def _compared(
    table: StudyTable,
    runs: dict[str, list[PreparedArm]],
    column: str,
    folders: StudyFolders,
    reference: StudyTable | None,
) -> dict[str, TableCell]:
    benchmark, score = column.split()
    samples = samples_of(table, score)
    arms = arms_of(
        (name, evaluation_folder(table, run, benchmark, samples, folders))
        for name, done in runs.items()
        for run in done
    )
    if score in COMPUTED_REWARDS:
        _add_reward(arms, benchmark, score)
    widths = half_widths(reference, column, samples, graded_items(arms[0], benchmark, score), folders)
    lacks = {name: single_run(done, widths) for name, done in runs.items()}
    cells = {}
    for row in compare(arms, benchmark, score):
        name = row["arm"]
        not_counted = {reason: row[reason] for reason in NOT_COUNTED if row[reason]}
        if "rate" not in row:
            cells[name] = TableCell(None, not_counted=not_counted)
            continue
        low, mean, high = row["rate"]
        # A share stays between 0 and 1 even if its interval is widened.
        least, most = (-math.inf, math.inf) if score in PLAIN_SCORES else (0.0, 1.0)
        low, high = widened((low, high), mean, lacks[name])
        change = None
        if row.get("difference"):
            lowest, difference, highest = row["difference"]
            lowest, highest = widened((lowest, highest), difference, lacks[name], lacks[table.against])
            change = lowest, difference, highest
        cells[name] = TableCell(
            mean, (max(least, low), min(most, high)), change, row["n"], bool(lacks[name]), not_counted
        )
    return cells


def _add_reward(arms: Sequence[EvaluatedArm], benchmark: str, name: str) -> None:
    family, weights = COMPUTED_REWARDS[name]
    for arm in arms:
        for run in arm.runs:
            for sample in run.samples[benchmark]:
                given, gold = sample["given"], sample["gold"]
                scores = reward_of(sample["completion"] or "", gold, given, family=family, weights=weights)
                sample["scores"][name] = scores.total


def _losses(runs: dict[str, list[PreparedArm]]) -> dict[str, TableCell]:
    """Return the mean loss over seeds; with several seeds, plus and minus a standard deviation."""
    cells = {}
    for name, done in runs.items():
        read = [json.loads((run.folder / f"{PYTHON_LOSS}.json").read_text(encoding="utf-8")) for run in done]
        losses = [float(entry["loss"]) for entry in read]
        mean, spread = fmean(losses), stdev(losses) if len(losses) > 1 else 0.0
        cells[name] = TableCell(mean, (mean - spread, mean + spread), n=read[0]["n"])
    return cells


def _minutes(done: Sequence[PreparedArm]) -> float | None:
    taken = []
    for run in done:
        result = Path(run.model).parent / "result.json"
        if run.recipe is not None and result.exists():
            taken.append(json.loads(result.read_text(encoding="utf-8"))["seconds"] / 60)
    return fmean(taken) if taken else None
