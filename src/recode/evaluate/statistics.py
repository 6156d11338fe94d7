"""Intervals and estimators. n is part of every result; a difference is claimed only where its interval excludes zero."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval."""

    low: float
    mean: float
    high: float

    def as_list(self) -> list[float]:
        """Return `[low, mean, high]`."""
        return [self.low, self.mean, self.high]


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], *, groups: Sequence[str] | None = None, confidence: float = 0.95,
    resamples: int = 4000, seed: int = 0,
) -> Interval:  # fmt: skip
    """Return the mean difference `after - before` over the same items with its percentile bootstrap interval.

    Args:
        before, after: one value per item, in the same order.
        groups: the cluster of each item, such as its update family; whole clusters are resampled, since programs that share
            an update are not independent. None: every item by itself.
        confidence: two-sided coverage.
        resamples: number of bootstrap samples.
        seed: of the resampling.

    Raises:
        ValueError: the sequences differ in length or are empty.
    """
    if not before or len(before) != len(after) or (groups is not None and len(groups) != len(before)):
        raise ValueError("a paired bootstrap needs two equally long, non-empty sequences")
    differences = [b - a for a, b in zip(before, after, strict=True)]
    clusters: dict[str, tuple[float, int]] = {}
    for name, difference in zip(groups or [str(i) for i in range(len(differences))], differences, strict=True):
        total, count = clusters.get(name, (0.0, 0))
        clusters[name] = (total + difference, count + 1)
    parts, rng = list(clusters.values()), random.Random(seed)
    means = []
    for _ in range(resamples):
        drawn = rng.choices(parts, k=len(parts))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    tail = (1 - confidence) / 2
    return Interval(
        means[int(tail * resamples)], fmean(differences), means[min(resamples - 1, int((1 - tail) * resamples))]
    )


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Return a proportion with its Wilson score interval (E. B. Wilson, 1927).

    Raises:
        ValueError: `n` is not positive, or `successes` is not between 0 and `n`.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"not a proportion: {successes} of {n}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(max(0.0, centre - half), p, min(1.0, centre + half))


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Return the unbiased estimate of pass@k from `correct` of `n` samples (Chen et al., arXiv 2107.03374, section 2.1).

    Raises:
        ValueError: not `0 <= correct <= n` or not `1 <= k <= n`.
    """
    if not (0 <= correct <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} from {correct} of {n} samples is undefined")
    return 1.0 - math.prod(1.0 - k / i for i in range(n - correct + 1, n + 1)) if n - correct >= k else 1.0
