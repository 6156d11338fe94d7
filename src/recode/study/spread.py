"""How much runs of one method differ, which the interval of an arm with a single seed must cover in addition to its items.

Two runs that differ only in their seed score differently. An arm with several seeds shows by how much; an arm with one does not. Such an
arm is assumed to vary as much as the runs of its method in another table. Where the recipes differ that is an assumption, but a better
one than no variation at all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import stdev

from recode.errors import MissingExtraError
from recode.evaluate.reports.comparison import arms_of, is_evaluation, run_means
from recode.study.arms import PreparedArm, StudyFolders, evaluation_folder, prepare, seeds_of
from recode.study.tables import COMPUTED_REWARDS, PYTHON_LOSS, StudyTable

Range = tuple[float, float]


def half_widths(
    reference: StudyTable | None, column: str, samples: int | None, items: Collection[str], folders: StudyFolders
) -> dict[str, float]:
    """Return, by method (`sft`, `grpo`, `dapo`), the half-width of the 95% interval of one run's score around the mean of all runs.

    A method is left out unless the reference table has evaluated at least two runs of its unchanged recipe on these items, sampled the
    same way.
    """
    benchmark, _, score = column.partition(" ")
    if reference is None or column == PYTHON_LOSS or score in COMPUTED_REWARDS:
        return {}
    widths = dict[str, float]()
    for name, arm in reference.arms.items():
        done = [prepare(reference, name, seed, folders) for seed in seeds_of(reference, name, folders)]
        evaluations = [evaluation_folder(reference, run, benchmark, samples, folders) for run in done]
        recipe = done[0].recipe
        altered = arm.change or arm.after or arm.pool
        if recipe is None or altered or len(done) < 2 or not all(map(is_evaluation, evaluations)):
            continue
        means = run_means(arms_of((name, folder) for folder in evaluations)[0], benchmark, score, items)
        if means:
            widths[recipe.method] = t_quantile(len(means) - 1) * stdev(means)
    return widths


def single_run(done: Sequence[PreparedArm], widths: Mapping[str, float]) -> float:
    """Return the half-width to add to an arm's interval: 0 if it has several seeds, is untrained, or its method's is unknown."""
    recipe = done[0].recipe
    return widths.get(recipe.method, 0.0) if recipe is not None and len(done) == 1 else 0.0


def widened(interval: Range, mean: float, *halves: float) -> Range:
    """Return the interval with independent half-widths added to each side, in squares."""
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
