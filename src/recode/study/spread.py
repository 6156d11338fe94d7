"""How much runs of one method differ: what the interval of an arm with a single seed must cover beside its items.

Two runs that differ in their seed alone differ in what they score. An arm with several seeds shows by how much, an arm with one does not: it is
taken to differ as much as the runs of its method do in another table. That is an assumption where its recipe is another one, and the
alternative, no spread at all, is a worse one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import stdev

from recode.errors import MissingExtraError
from recode.evaluate.reports.comparison import arms_of, is_evaluation, run_means
from recode.study.arms import Place, Prepared, evaluation_folder, prepare, seeds_of
from recode.study.tables import COMPUTED_REWARDS, PYTHON_LOSS, StudyTable

Range = tuple[float, float]


def half_widths(
    reference: StudyTable | None, column: str, samples: int | None, items: Collection[str], place: Place
) -> dict[str, float]:
    """Return by method (`sft`, `grpo`, `dapo`) half of the 95% interval of one run's score about the mean of all runs.

    A method is left out where the reference table has not evaluated two runs of it, by its recipe as it is, on these items in this decoding.
    """
    benchmark, _, score = column.partition(" ")
    if reference is None or column == PYTHON_LOSS or score in COMPUTED_REWARDS:
        return {}
    found = dict[str, float]()
    for name, arm in reference.arms.items():
        done = [prepare(reference, name, seed, place) for seed in seeds_of(reference, name, place)]
        folders = [evaluation_folder(reference, one, benchmark, samples, place) for one in done]
        recipe = done[0].recipe
        altered = arm.change or arm.after or arm.pool
        if recipe is None or altered or len(done) < 2 or not all(map(is_evaluation, folders)):
            continue
        means = run_means(arms_of((name, folder) for folder in folders)[0], benchmark, score, items)
        if means:
            found[recipe.method] = t_quantile(len(means) - 1) * stdev(means)
    return found


def single_run(done: Sequence[Prepared], widths: Mapping[str, float]) -> float:
    """Return the half-width that an arm's interval lacks: 0 where it has several seeds, was not trained, or nothing is known."""
    recipe = done[0].recipe
    return widths.get(recipe.method, 0.0) if recipe is not None and len(done) == 1 else 0.0


def widened(interval: Range, mean: float, *halves: float) -> Range:
    """Return the interval with independent sources of chance added to each of its sides."""
    low, high = interval
    more = sum(half * half for half in halves)
    return mean - math.sqrt((mean - low) ** 2 + more), mean + math.sqrt((high - mean) ** 2 + more)


def t_quantile(freedom: int, confidence: float = 0.95) -> float:
    """Return the quantile of Student's t with `freedom` degrees of freedom for a two-sided interval.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.special import stdtrit
    except ImportError:
        raise MissingExtraError("Student's t needs scipy; install it with: pip install 'recode-rl[train]'") from None
    return float(stdtrit(freedom, (1 + confidence) / 2))
