"""Several evaluations side by side: each arm's rates, and its paired differences against the first arm on the same items.

An *arm* is a model, evaluated once or with several seeds (several folders of one name). Only the folders that `recode evaluate` writes are read.
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
"""The score that stands for a benchmark, the first that it has: what the models are compared by."""
_RESAMPLES = 2000


@dataclass
class Run:
    """One folder of `recode evaluate`."""

    folder: Path
    model: str
    results: dict[str, Any]
    samples: dict[str, list[dict[str, Any]]]


@dataclass
class Arm:
    """A model under one name, with a run for each seed."""

    name: str
    runs: list[Run] = field(default_factory=list)


def read_arms(named: Sequence[str]) -> list[Arm]:
    """Read `FOLDER` or `NAME=FOLDER` arguments; folders of one given name are seeds of one arm.

    Raises:
        RecordError: a folder holds no finished evaluation, is named twice, or has the name of another and was given none.
    """
    pairs: list[tuple[str, Path]] = []
    for one in named:
        name, equals, path = one.partition("=")
        folder = Path(path if equals else one)
        name = name if equals else folder.name
        for other, there in pairs:
            if folder.resolve() == there.resolve():
                raise RecordError(f"{folder}: is named twice")
            if other == name and not equals:
                raise RecordError(f"{folder}: {there} is called `{name}` too; say what each is: NAME={folder}")
        pairs.append((name, folder))
    return arms_of(pairs)


def arms_of(pairs: Iterable[tuple[str, Path]]) -> list[Arm]:
    """Read evaluations, each with its arm's name; those of one name are seeds of one arm.

    Raises:
        RecordError: a folder holds no finished evaluation.
    """
    arms: dict[str, Arm] = {}
    for name, folder in pairs:
        arms.setdefault(name, Arm(name)).runs.append(_read(folder))
    return list(arms.values())


def is_evaluation(folder: Path) -> bool:
    """Say whether a folder holds a finished evaluation."""
    return (folder / "results.json").exists() and (folder / "samples.jsonl").exists()


def _read(folder: Path) -> Run:
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
    return Run(folder, str(settings.get("model", "given completions")), results, samples)


def benchmarks_of(arms: Sequence[Arm]) -> list[str]:
    """Return the benchmarks that every run has, in the first's order."""
    first = arms[0].runs[0].results
    return [name for name in first if all(name in run.results for arm in arms for run in arm.runs)]


def main_score(arm: Arm, benchmark: str) -> str:
    """Return the score that stands for a benchmark: the first of `MAIN` that any of its items has."""
    samples = [sample for run in arm.runs for sample in run.samples.get(benchmark, [])]
    found = {name for sample in samples for name, value in sample["scores"].items() if value is not None}
    return next((name for name in MAIN if name in found), "pass")


def compare(arms: Sequence[Arm], benchmark: str, score: str) -> list[dict[str, Any]]:
    """Return a row an arm: its rate with interval and n, and from the second on its difference to the first.

    A score may be written `exact@8`: each item's unbiased estimate for so many samples.
    The difference is over the items that all runs of both arms have graded. Its interval resamples seeds and groups of items; McNemar's exact
    test is given where each arm has one seed and each item one right or wrong answer.
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


def _values(run: Run, benchmark: str, score: str) -> dict[str, float]:
    name, _, k = score.partition("@")
    return by_item(filter(is_graded, run.samples.get(benchmark, [])), name, int(k or 0))[0]


def run_means(arm: Arm, benchmark: str, score: str, items: Collection[str]) -> list[float]:
    """Return each run's mean over the items; nothing where a run has not graded all of them."""
    values = [_values(run, benchmark, score) for run in arm.runs]
    if not items or not all(item in one for one in values for item in items):
        return []
    return [fmean(one[item] for item in items) for one in values]


def graded_items(arm: Arm, benchmark: str, score: str) -> list[str]:
    """Return the items that every run of an arm has graded."""
    return _shared([_values(run, benchmark, score) for run in arm.runs])


def _groups(arm: Arm, benchmark: str, score: str) -> dict[str, str]:
    groups: dict[str, str] = {}
    for run in arm.runs:
        groups |= by_item(filter(is_graded, run.samples.get(benchmark, [])), score.partition("@")[0])[1]
    return groups


def _rate(arm: Arm, benchmark: str, score: str, values: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return mean, interval, n and what did not count. Several seeds are resampled beside the items."""
    shared = _shared(values)
    found: dict[str, Any] = {
        "n": len(shared),
        **{
            key: sum(int(run.results[benchmark].get(key, 0)) for run in arm.runs)
            for key in ("unavailable", "ungradable", "missing")
        },
    }
    if not shared:
        return found
    rows, groups = [[one[name] for name in shared] for one in values], _groups(arm, benchmark, score)
    if len(rows) == 1 and set(rows[0]) <= {0.0, 1.0} and len({groups[name] for name in shared}) == len(shared):
        interval = wilson(round(sum(rows[0])), len(shared))
    else:
        names = [groups[name] for name in shared]
        wide = seeded_bootstrap([[0.0] * len(shared)], rows, groups=names, resamples=_RESAMPLES)
        # Few seeds that differ much widen it beyond what any item has.
        least, most = min(map(min, rows)), max(map(max, rows))
        interval = Interval(max(least, wide.low), wide.mean, min(most, wide.high))
    return {**found, "rate": interval.as_list()}


def _shared(values: Sequence[dict[str, float]]) -> list[str]:
    return [name for name in values[0] if all(name in one for one in values)]


def _difference(
    base: Sequence[dict[str, float]], mine: Sequence[dict[str, float]], groups: dict[str, str]
) -> dict[str, Any]:
    shared = _shared([*base, *mine])
    if not shared:
        return {"pairs": 0}
    before, after = [[one[n] for n in shared] for one in base], [[one[n] for n in shared] for one in mine]
    interval = seeded_bootstrap(before, after, groups=[groups[n] for n in shared], resamples=_RESAMPLES)
    found: dict[str, Any] = {"difference": interval.as_list(), "pairs": len(shared)}
    if len(before) == len(after) == 1 and {*before[0], *after[0]} <= {0.0, 1.0}:
        test = mcnemar([v > 0.5 for v in before[0]], [v > 0.5 for v in after[0]])
        found["mcnemar"] = {"lost": test.before_only, "won": test.after_only, "p": test.p}
    return found


def parts(arms: Sequence[Arm], benchmark: str, score: str) -> dict[str, dict[str, list[tuple[float, int] | None]]]:
    """Return for each table (split, library, kind) and part each arm's mean over items that all its runs have graded, and n; None for none."""
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


def _part(arm: Arm, benchmark: str, score: str, labels: dict[str, str], name: str) -> tuple[float, int] | None:
    values = [_values(run, benchmark, score) for run in arm.runs]
    chosen = [item for item in _shared(values) if labels[item] == name]
    return (fmean(one[item] for one in values for item in chosen), len(chosen)) if chosen else None


def learning_curves(arms: Sequence[Arm]) -> dict[str, list[dict[str, float]]]:
    """Return each arm's training log where its model's folder lies beside one: minutes, and reward, exact and loss where they were logged."""
    curves = {}
    for arm in arms:
        log = Path(arm.runs[0].model).parent / "log.jsonl"
        if Path(arm.runs[0].model).is_dir() and log.exists():
            rows = [row for _, row in read_jsonl(log) if "seconds" in row]
            wanted = ("reward", "reward_of_copying", "exact", "loss")
            curves[arm.name] = [
                {"minutes": row["seconds"] / 60, **{key: row[key] for key in wanted if row.get(key) is not None}}
                for row in rows
            ]
    return curves
