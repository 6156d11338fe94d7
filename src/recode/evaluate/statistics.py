"""Intervals and estimators. Every result states its n, and a difference is claimed only if its interval excludes zero."""

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
        groups: the cluster of each item, such as its update family. Whole clusters are resampled, since programs that share
            an update are not independent. None: every item is its own cluster.
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
    return _percentiles(means, fmean(differences), confidence)


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


def bootstrap(
    values: Sequence[float], *, groups: Sequence[str] | None = None, confidence: float = 0.95, resamples: int = 4000, seed: int = 0
) -> Interval:  # fmt: skip
    """Return a mean over items with its percentile bootstrap interval; whole groups are resampled, as in `paired_bootstrap`.

    Raises:
        ValueError: there are no values, or not a group for each.
    """
    return paired_bootstrap(
        [0.0] * len(values), values, groups=groups, confidence=confidence, resamples=resamples, seed=seed
    )


@dataclass(frozen=True)
class McNemar:
    """Two models on the same items: how many items only one of them got right, and the exact two-sided p-value of no difference."""

    before_only: int
    after_only: int
    p: float


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> McNemar:
    """Compare two models' right and wrong answers on the same items by the exact (binomial) form of McNemar's test (1947).

    Items are assumed to be independent. If several share an update, prefer the interval of `paired_bootstrap` by groups.

    Raises:
        ValueError: the sequences differ in length or are empty.
    """
    if not before or len(before) != len(after):
        raise ValueError("McNemar's test needs two equally long, non-empty sequences")
    lost = sum(a and not b for a, b in zip(before, after, strict=True))
    won = sum(b and not a for a, b in zip(before, after, strict=True))
    discordant = lost + won
    # Both tails of Binomial(discordant, 1/2), in integers, so that large counts do not overflow.
    tail = sum(math.comb(discordant, i) for i in range(min(lost, won) + 1))
    return McNemar(lost, won, min(1.0, 2 * tail / 2**discordant))


def seeded_bootstrap(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], *, groups: Sequence[str] | None = None, confidence: float = 0.95,
    resamples: int = 4000, seed: int = 0,
) -> Interval:  # fmt: skip
    """Return the mean difference between two arms with several seeds each, with its bootstrap interval.

    Seeds and items both vary, and both are resampled: the seeds of each arm separately, the same groups of items for both arms. Counting
    every (seed, item) pair as an item would treat the same items as new evidence. With two or three seeds the interval is still somewhat
    too short, since so few say little about how much seeds differ.

    Args:
        before, after: for each seed of the arm, one value per item; items are in the same order everywhere.
        groups: the cluster of each item; None: every item is its own cluster.
        confidence: two-sided coverage.
        resamples: number of bootstrap samples.
        seed: of the resampling.

    Raises:
        ValueError: an arm has no seed, or the rows differ in length or are empty.
    """
    lengths = {len(row) for row in (*before, *after)}
    if not before or not after or len(lengths) != 1 or lengths == {0}:
        raise ValueError("a bootstrap over seeds needs for both arms rows of one length")
    (count,) = lengths
    members: dict[str, list[int]] = {}
    for item, name in enumerate(groups or [str(i) for i in range(count)]):
        members.setdefault(name, []).append(item)
    # Sums by seed and group, so that a resample costs as many additions as there are groups.
    sums = [[[sum(row[i] for i in items) for items in members.values()] for row in arm] for arm in (before, after)]
    sizes, rng, means = [len(items) for items in members.values()], random.Random(seed), []
    for _ in range(resamples):
        drawn = rng.choices(range(len(sizes)), k=len(sizes))
        total = sum(sizes[group] for group in drawn)
        old, new = (_of_drawn(arm, drawn, total, rng) for arm in sums)
        means.append(new - old)
    difference = fmean(fmean(row) for row in after) - fmean(fmean(row) for row in before)
    return _percentiles(means, difference, confidence)


def _of_drawn(sums: Sequence[Sequence[float]], drawn: Sequence[int], total: int, rng: random.Random) -> float:
    """Return an arm's mean on the drawn groups of items, over seeds that are also drawn."""
    by_seed = [sum(row[group] for group in drawn) / total for row in sums]
    every, seeds = fmean(by_seed), len(by_seed)
    # The variance of a bootstrap over k seeds is (k - 1) / k of what it should be; this corrects it.
    wider = math.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    return every + wider * (fmean(rng.choices(by_seed, k=seeds)) - every)


def _percentiles(means: list[float], estimate: float, confidence: float) -> Interval:
    """Return an estimate with the percentile interval of its resampled values."""
    means.sort()
    tail = (1 - confidence) / 2
    last = len(means) - 1
    return Interval(means[int(tail * len(means))], estimate, means[min(last, int((1 - tail) * len(means)))])
