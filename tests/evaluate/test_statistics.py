"""Estimators against their formulas and known values."""

from __future__ import annotations

import math
import random

import pytest

from recode.evaluate.statistics import bootstrap, mcnemar, paired_bootstrap, pass_at_k, seeded_bootstrap, wilson


def test_pass_at_k_is_one_minus_the_chance_of_drawing_only_failures() -> None:
    for n in range(1, 9):
        for correct in range(n + 1):
            for k in range(1, n + 1):
                expected = 1 - math.comb(n - correct, k) / math.comb(n, k)
                assert pass_at_k(n, correct, k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "correct", "k", "value"), [(10, 3, 1, 0.3), (5, 2, 2, 0.7), (8, 0, 8, 0.0), (8, 1, 8, 1.0), (4, 3, 2, 1.0)]
)
def test_known_values_of_pass_at_k(n: int, correct: int, k: int, value: float) -> None:
    assert pass_at_k(n, correct, k) == pytest.approx(value)


@pytest.mark.parametrize(("n", "correct", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5)])
def test_undefined_pass_at_k_is_an_error(n: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match="undefined"):
        pass_at_k(n, correct, k)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_known_values_of_wilson(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson(successes, n)
    assert interval.low == pytest.approx(low, abs=1e-4)
    assert interval.high == pytest.approx(high, abs=1e-4)
    assert interval.mean == successes / n


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_of_no_proportion_is_an_error(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(successes, n)


def test_the_interval_holds_the_mean_difference() -> None:
    rng = random.Random(1)
    before = [rng.random() for _ in range(50)]
    after = [value + rng.gauss(0.2, 0.5) for value in before]
    interval = paired_bootstrap(before, after)
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(sum(after) / 50 - sum(before) / 50)
    assert paired_bootstrap(before, after, confidence=0.5).low > interval.low
    assert paired_bootstrap(before, after) == interval


def test_no_difference_is_zero_without_width() -> None:
    assert paired_bootstrap([0.5, 1.0, 0.0], [0.5, 1.0, 0.0]).as_list() == [0.0, 0.0, 0.0]


def test_clusters_are_resampled_whole() -> None:
    # Of two clusters, one all better: a resample holds none, one or two of it, nothing in between.
    before, after = [0.0] * 20, [1.0] * 10 + [0.0] * 10
    groups = ["a"] * 10 + ["b"] * 10
    assert paired_bootstrap(before, after, groups=groups).as_list() == [0.0, 0.5, 1.0]
    alone = paired_bootstrap(before, after)
    assert 0.2 < alone.low < 0.5 < alone.high < 0.8


def test_clusters_of_different_size_weigh_by_their_items() -> None:
    interval = paired_bootstrap([0.0] * 4, [1.0, 1.0, 1.0, 0.0], groups=["a", "a", "a", "b"])
    assert interval.as_list() == [0.0, 0.75, 1.0]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, covered, runs = random.Random(2), 0, 200
    for number in range(runs):
        after = [rng.gauss(0.3, 1.0) for _ in range(40)]
        interval = paired_bootstrap([0.0] * 40, after, confidence=0.9, resamples=300, seed=number)
        covered += interval.low <= 0.3 <= interval.high
    assert 0.82 <= covered / runs <= 0.96


@pytest.mark.parametrize(
    ("before", "after", "groups"), [([], [], None), ([1.0], [1.0, 2.0], None), ([1.0], [1.0], ["a", "b"])]
)
def test_unpaired_values_are_an_error(before: list[float], after: list[float], groups: list[str] | None) -> None:
    with pytest.raises(ValueError, match="equally long"):
        paired_bootstrap(before, after, groups=groups)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    # 1 lost, 8 won: 2 * (1 + 9) / 2**9.
    before = [True] + [False] * 8 + [True] * 5 + [False] * 3
    after = [False] + [True] * 8 + [True] * 5 + [False] * 3
    found = mcnemar(before, after)
    assert (found.before_only, found.after_only) == (1, 8)
    assert found.p == pytest.approx(20 / 512)


def test_mcnemar_without_a_difference_is_one() -> None:
    assert mcnemar([True, False], [True, False]).p == 1.0
    assert mcnemar([True, False], [False, True]).p == 1.0
    assert mcnemar([True] * 4000, [False] * 4000).p < 1e-300
    with pytest.raises(ValueError, match="equally long"):
        mcnemar([], [])


def test_one_seed_an_arm_is_the_paired_bootstrap() -> None:
    before, after = [0.0, 1.0, 0.0, 1.0, 0.0] * 6, [1.0, 1.0, 0.0, 0.0, 1.0] * 6
    one, other = seeded_bootstrap([before], [after]), paired_bootstrap(before, after)
    assert one.mean == pytest.approx(other.mean)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.07)


def test_seeds_that_disagree_widen_the_interval() -> None:
    base = [[0.0] * 40]
    agreeing = seeded_bootstrap(base, [[0.0, 1.0] * 20, [1.0, 0.0] * 20])
    disagreeing = seeded_bootstrap(base, [[0.0] * 40, [1.0] * 40])
    assert agreeing.mean == disagreeing.mean == 0.5
    assert agreeing.low > 0.3
    # One seed gained everything and one nothing: nothing is certain.
    assert disagreeing.low <= 0.0 < 1.0 <= disagreeing.high


def test_more_seeds_of_the_same_items_are_not_more_items() -> None:
    rng = random.Random(3)
    items = [float(rng.random() < 0.5) for _ in range(30)]
    once, often = seeded_bootstrap([[0.0] * 30], [items]), seeded_bootstrap([[0.0] * 30], [items] * 8)
    assert often.high - often.low == pytest.approx(once.high - once.low, abs=0.05)


def test_seeds_keep_groups_together() -> None:
    grouped = seeded_bootstrap([[0.0] * 20], [[1.0] * 10 + [0.0] * 10], groups=["a"] * 10 + ["b"] * 10)
    assert (grouped.low, grouped.high) == (0.0, 1.0)
    with pytest.raises(ValueError, match="rows of one length"):
        seeded_bootstrap([[0.0]], [[0.0, 1.0]])


def test_the_bootstrap_of_a_mean_covers_it() -> None:
    hits = 0
    for seed in range(60):
        rng = random.Random(seed)
        values = [float(rng.random() < 0.3) for _ in range(80)]
        interval = bootstrap(values, resamples=300, seed=seed)
        hits += interval.low <= 0.3 <= interval.high
    assert hits >= 51
