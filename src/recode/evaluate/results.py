"""Summarize judged completions: rates with their intervals and n, overall and by library, kind and split.

A *sample* is a line of `samples.jsonl` as a dictionary. Everything here is computed from samples, so it can be recomputed from the file.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from recode.evaluate.statistics import Interval, bootstrap, pass_at_k, wilson

KS = (1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100)
"""The values of k for which pass@k is reported, if there are enough samples."""
TABLES = ("split", "library", "kind")
_RESAMPLES = 2000
_FEW = 0.1
"""pass@k is not reported if more than this share of the items has too few samples."""

Sample = Mapping[str, Any]


def summarize(samples: Sequence[Sample], counted: Mapping[str, str], averaged: Sequence[str]) -> dict[str, Any]:
    """Return a benchmark's metrics over its samples.

    Args:
        samples: lines of `samples.jsonl` of one benchmark.
        counted: scores of 0 or 1 and the names of their estimates, such as `{"pass": "pass@{k}"}`.
        averaged: scores whose mean is reported.

    Returns:
        Each metric's value; `n`, the number of items with at least one graded completion; `samples`, of graded completions; `unavailable`, of
        items; `ungradable`, of completions; `outcomes`, of completions by outcome; `intervals` (95%, `[low, mean, high]`); `by`, the same
        metrics with their `n` for every library, kind and split, if there is more than one.
    """
    graded = [sample for sample in samples if is_graded(sample)]
    values, intervals = _metrics(graded, counted, averaged)
    by = {}
    for table in TABLES:
        parts = defaultdict(list)
        for sample in graded:
            if sample.get(table):
                parts[sample[table]].append(sample)
        if len(parts) > 1:
            by[table] = {name: _part(part, counted, averaged) for name, part in sorted(parts.items())}
    return {
        **values,
        "n": len({sample["id"] for sample in graded}),
        "samples": len(graded),
        "unavailable": len({sample["id"] for sample in samples if sample["outcome"] == "unavailable"}),
        "ungradable": sum(sample["outcome"] == "ungradable" for sample in samples),
        "outcomes": dict(sorted(Counter(sample["outcome"] for sample in samples).items())),
        "intervals": intervals,
        "by": by,
    }


def is_graded(sample: Sample) -> bool:
    """Return whether a completion counts: an ungradable one does if it has a score, since what cannot be confirmed is no pass."""
    if sample["outcome"] == "ungradable":
        return any(score is not None for score in sample["scores"].values())
    return bool(sample["outcome"] != "unavailable")


def _part(samples: Sequence[Sample], counted: Mapping[str, str], averaged: Sequence[str]) -> dict[str, Any]:
    values, intervals = _metrics(samples, counted, averaged)
    return {**values, "n": len({sample["id"] for sample in samples}), "intervals": intervals}


def _metrics(
    graded: Sequence[Sample], counted: Mapping[str, str], averaged: Sequence[str]
) -> tuple[dict[str, float], dict[str, list[float]]]:
    values: dict[str, float] = {}
    intervals: dict[str, list[float]] = {}
    for score in averaged:
        estimates, groups = by_item(graded, score)
        if estimates:
            interval = _interval(estimates, groups)
            values[score], intervals[score] = interval.mean, interval.as_list()
            if len(estimates) < len({sample["id"] for sample in graded}):
                values[f"{score}_n"] = len(estimates)
    for score, name in counted.items():
        counts = sorted(Counter(s["id"] for s in graded if s["scores"].get(score) is not None).values())
        # A few ungradable completions exclude their items, not the estimate for all the others.
        most = counts[int(_FEW * len(counts))] if counts else 0
        if most == 1 and score in averaged:
            continue
        for k in (k for k in KS if k <= most):
            estimates, groups = by_item(graded, score, k)
            metric, interval = name.format(k=k), _interval(estimates, groups)
            values[metric], intervals[metric] = interval.mean, interval.as_list()
            if len(estimates) < len({sample["id"] for sample in graded}):
                values[f"{metric}_n"] = len(estimates)
    return values, intervals


def by_item(graded: Iterable[Sample], score: str, k: int = 0) -> tuple[dict[str, float], dict[str, str]]:
    """Return each item's mean of a score, or with `k` its unbiased pass@k, and each item's group. Items are in order of their first sample.

    An item with fewer than `k` graded samples has no estimate of pass@k.
    """
    by_id: dict[str, list[float]] = {}
    groups: dict[str, str] = {}
    for sample in graded:
        value = sample["scores"].get(score)
        if value is not None:
            by_id.setdefault(sample["id"], []).append(value)
            groups[sample["id"]] = sample.get("group") or sample["id"]
    if not k:
        return {name: fmean(values) for name, values in by_id.items()}, groups
    enough = {name: values for name, values in by_id.items() if len(values) >= k}
    return {name: pass_at_k(len(values), round(sum(values)), k) for name, values in enough.items()}, groups


def _interval(estimates: Mapping[str, float], groups: Mapping[str, str]) -> Interval:
    """Return the mean over items with its interval: Wilson's if items are independent and right or wrong, otherwise the bootstrap's."""
    values = list(estimates.values())
    independent = len(set(groups.values())) == len(groups)
    if independent and set(values) <= {0.0, 1.0}:
        return wilson(round(sum(values)), len(values))
    return bootstrap(values, groups=[groups[name] for name in estimates], resamples=_RESAMPLES)
