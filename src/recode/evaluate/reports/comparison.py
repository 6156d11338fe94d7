"""Evaluations side by side: each arm's rates, and its paired differences to the first arm on the same items.

An *arm* is a model, evaluated once or with several seeds (several folders of one name). Everything is read from the folders that
`recode evaluate` writes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from recode.errors import RecordError
from recode.evaluate.results import TABLES, by_item, is_graded
from recode.evaluate.statistics import Interval, mcnemar, seeded_bootstrap, wilson
from recode.records import read_jsonl

MAIN = ("execution", "exact", "update", "pass")
"""The scores by which models are compared, in order of preference; a benchmark uses the first that it has."""
NOT_COUNTED = ("unavailable", "ungradable", "missing", "without_score")
"""Fields of a row of `compare` that count what is excluded from all rates."""
_RESAMPLES = 2000


@dataclass
class EvaluationRun:
    """One folder written by `recode evaluate`."""

    folder: Path
    model: str
    results: dict[str, Any]
    samples: dict[str, list[dict[str, Any]]]


@dataclass
class EvaluatedArm:
    """A model under one name, with a run per seed."""

    name: str
    runs: list[EvaluationRun] = field(default_factory=list)


def read_arms(named: Sequence[str]) -> list[EvaluatedArm]:
    """Read `FOLDER` or `NAME=FOLDER` arguments; folders given the same name are seeds of one arm.

    Raises:
        RecordError: a folder holds no finished evaluation or is named twice, or two folders have the same name and were given none.
    """
    pairs: list[tuple[str, Path]] = []
    for argument in named:
        name, equals, path = argument.partition("=")
        folder = Path(path if equals else argument)
        name = name if equals else folder.name
        for other_name, other_folder in pairs:
            if folder.resolve() == other_folder.resolve():
                raise RecordError(f"{folder}: is named twice")
            if other_name == name and not equals:
                raise RecordError(f"{folder}: {other_folder} is called `{name}` too; give each a name: NAME={folder}")
        pairs.append((name, folder))
    return arms_of(pairs)


def arms_of(pairs: Iterable[tuple[str, Path]]) -> list[EvaluatedArm]:
    """Read evaluations, each given with its arm's name; those with the same name are seeds of one arm.

    Raises:
        RecordError: a folder holds no finished evaluation.
    """
    arms: dict[str, EvaluatedArm] = {}
    for name, folder in pairs:
        arms.setdefault(name, EvaluatedArm(name)).runs.append(_read(folder))
    return list(arms.values())


def is_evaluation(folder: Path) -> bool:
    """Return whether a folder holds a finished evaluation."""
    return (folder / "results.json").exists() and (folder / "samples.jsonl").exists()


def _read(folder: Path) -> EvaluationRun:
    if not is_evaluation(folder):
        raise RecordError(
            f"{folder}: no results.json and samples.jsonl; evaluate first: recode evaluate MODEL --out {folder}"
        )
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder}: results.json or settings.json cannot be read ({error}); evaluate again") from None
    samples: dict[str, list[dict[str, Any]]] = {}
    for number, row in read_jsonl(folder / "samples.jsonl"):
        missing = {"benchmark", "id", "outcome", "scores"} - row.keys()
        if missing:
            raise RecordError(f"{folder / 'samples.jsonl'}:{number}: field `{min(missing)}` is missing; evaluate again")
        samples.setdefault(row["benchmark"], []).append(row)
    return EvaluationRun(folder, str(settings.get("model", "given completions")), results, samples)


def benchmarks_of(arms: Sequence[EvaluatedArm]) -> list[str]:
    """Return the benchmarks that every run has, in the first run's order."""
    first = arms[0].runs[0].results
    return [name for name in first if all(name in run.results for arm in arms for run in arm.runs)]


def main_score(arm: EvaluatedArm, benchmark: str) -> str:
    """Return the score by which models are compared on a benchmark: the first of `MAIN` that any of its items has."""
    samples = [sample for run in arm.runs for sample in run.samples.get(benchmark, [])]
    found = {name for sample in samples for name, value in sample["scores"].items() if value is not None}
    return next((name for name in MAIN if name in found), "pass")


def compare(arms: Sequence[EvaluatedArm], benchmark: str, score: str) -> list[dict[str, Any]]:
    """Return a row per arm: its rate with interval and n, what does not count, and the difference to the first arm.

    The difference is over the items that all runs of both arms have graded. Its interval resamples seeds and groups of items. McNemar's
    exact test is added if each arm has one seed and each item one right or wrong answer. `without_score` counts the items that are graded
    in every run and lack this score in one of them; made-up libraries, for instance, have no `execution`.

    Args:
        arms: the others are compared with the first.
        benchmark: a benchmark that all runs have.
        score: a score, or `exact@8` for each item's unbiased estimate for that many samples.
    """
    base = [_values(run, benchmark, score) for run in arms[0].runs]
    rows = []
    for number, arm in enumerate(arms):
        mine = [_values(run, benchmark, score) for run in arm.runs]
        row = {"arm": arm.name, "seeds": len(arm.runs), **_rate(arm, benchmark, score, mine)}
        if number:
            row |= _difference(base, mine, _groups(arm, benchmark, score))
        rows.append(row)
    return rows


def _values(run: EvaluationRun, benchmark: str, score: str) -> dict[str, float]:
    name, _, k = score.partition("@")
    return by_item(filter(is_graded, run.samples.get(benchmark, [])), name, int(k or 0))[0]


def run_means(arm: EvaluatedArm, benchmark: str, score: str, items: Collection[str]) -> list[float]:
    """Return each run's mean over the items; an empty list if a run has not graded all of them."""
    values = [_values(run, benchmark, score) for run in arm.runs]
    if not items or not all(item in run for run in values for item in items):
        return []
    return [fmean(run[item] for item in items) for run in values]


def graded_items(arm: EvaluatedArm, benchmark: str, score: str) -> list[str]:
    """Return the items that every run of an arm has graded."""
    return _shared([_values(run, benchmark, score) for run in arm.runs])


def _groups(arm: EvaluatedArm, benchmark: str, score: str) -> dict[str, str]:
    groups: dict[str, str] = {}
    for run in arm.runs:
        groups |= by_item(filter(is_graded, run.samples.get(benchmark, [])), score.partition("@")[0])[1]
    return groups


def _rate(arm: EvaluatedArm, benchmark: str, score: str, values: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return mean, interval, n and what does not count. If there are several seeds, they are resampled along with the items."""
    shared = _shared(values)
    row: dict[str, Any] = {
        "n": len(shared),
        **{
            key: sum(int(run.results[benchmark].get(key, 0)) for run in arm.runs)
            for key in ("unavailable", "ungradable", "missing")
        },
        "without_score": len(_graded_in_every_run(arm, benchmark) - set(shared)),
    }
    if not shared:
        return row
    rows, groups = [[run[name] for name in shared] for run in values], _groups(arm, benchmark, score)
    if len(rows) == 1 and set(rows[0]) <= {0.0, 1.0} and len({groups[name] for name in shared}) == len(shared):
        interval = wilson(round(sum(rows[0])), len(shared))
    else:
        names = [groups[name] for name in shared]
        wide = seeded_bootstrap([[0.0] * len(shared)], rows, groups=names, resamples=_RESAMPLES)
        # A few seeds that differ a lot can widen the interval beyond every value.
        least, most = min(map(min, rows)), max(map(max, rows))
        interval = Interval(max(least, wide.low), wide.mean, min(most, wide.high))
    return {**row, "rate": interval.as_list()}


def _graded_in_every_run(arm: EvaluatedArm, benchmark: str) -> set[str]:
    ids = [{sample["id"] for sample in run.samples.get(benchmark, []) if is_graded(sample)} for run in arm.runs]
    return set.intersection(*ids)


def _shared(values: Sequence[dict[str, float]]) -> list[str]:
    return [name for name in values[0] if all(name in run for run in values)]


def _difference(
    base: Sequence[dict[str, float]], mine: Sequence[dict[str, float]], groups: dict[str, str]
) -> dict[str, Any]:
    shared = _shared([*base, *mine])
    if not shared:
        return {"pairs": 0}
    before, after = [[run[n] for n in shared] for run in base], [[run[n] for n in shared] for run in mine]
    interval = seeded_bootstrap(before, after, groups=[groups[n] for n in shared], resamples=_RESAMPLES)
    difference: dict[str, Any] = {"difference": interval.as_list(), "pairs": len(shared)}
    if len(before) == len(after) == 1 and {*before[0], *after[0]} <= {0.0, 1.0}:
        test = mcnemar([v > 0.5 for v in before[0]], [v > 0.5 for v in after[0]])
        difference["mcnemar"] = {"lost": test.before_only, "won": test.after_only, "p": test.p}
    return difference


def parts(
    arms: Sequence[EvaluatedArm], benchmark: str, score: str
) -> dict[str, dict[str, list[tuple[float, int] | None]]]:
    """Return the arms' rates on parts of a benchmark.

    Returns:
        For each table (`split`, `library`, `kind`) and part, each arm's mean over the items that all its runs have graded, and their number;
        None if there are none.
    """
    found: dict[str, dict[str, list[tuple[float, int] | None]]] = {}
    for table in TABLES:
        labels = {
            s["id"]: s.get(table) or "" for arm in arms for run in arm.runs for s in run.samples.get(benchmark, [])
        }
        names = sorted(set(labels.values()) - {""})
        if len(names) < 2:
            continue
        found[table] = {name: [_part(arm, benchmark, score, labels, name) for arm in arms] for name in names}
    return found


def _part(arm: EvaluatedArm, benchmark: str, score: str, labels: dict[str, str], name: str) -> tuple[float, int] | None:
    values = [_values(run, benchmark, score) for run in arm.runs]
    chosen = [item for item in _shared(values) if labels[item] == name]
    return (fmean(run[item] for run in values for item in chosen), len(chosen)) if chosen else None


def learning_curves(arms: Sequence[EvaluatedArm]) -> dict[str, list[dict[str, float]]]:
    """Return the training log of each arm that has one next to its model: minutes, with reward, exact match (of rollouts and of
    greedy validation) and loss if they were logged."""
    curves = {}
    for arm in arms:
        log = Path(arm.runs[0].model).parent / "log.jsonl"
        if Path(arm.runs[0].model).is_dir() and log.exists():
            rows = [row for _, row in read_jsonl(log) if "seconds" in row]
            wanted = ("reward", "reward_of_copying", "exact", "validation_exact", "loss")
            curves[arm.name] = [
                {"minutes": row["seconds"] / 60, **{key: row[key] for key in wanted if row.get(key) is not None}}
                for row in rows
            ]
    return curves
