"""Estimators against their formulas and known values."""

from __future__ import annotations

import math
import random

import pytest

from recode.evaluate.statistics import paired_bootstrap, pass_at_k, wilson


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
