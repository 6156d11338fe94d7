"""From samples to rates: by item, without what could not be graded, and with n."""

from __future__ import annotations

from typing import Any

import pytest

from recode.evaluate.results import summarize
from recode.evaluate.statistics import wilson


def sample(name: str, value: float | None, outcome: str = "", **more: Any) -> dict[str, Any]:
    outcome = outcome or ("ungradable" if value is None else "passed" if value else "failed")
    return {"id": name, "outcome": outcome, "scores": {"pass": value}, **more}


def test_rates_are_means_over_items_not_over_completions() -> None:
    rows = [sample("a", 1.0), sample("a", 1.0), sample("b", 0.0)]
    values = summarize(rows, {"pass": "pass@{k}"}, ())
    assert values["pass@1"] == 0.5
    assert (values["n"], values["samples"]) == (2, 3)
    assert "pass@2" not in values
    rows = [sample(name, 1.0) for name in "abcdefghijklmnopqrst" for _ in "12"]
    values = summarize(rows[1:], {"pass": "pass@{k}"}, ())
    assert (values["pass@2"], values["pass@2_n"], values["n"]) == (1.0, 19, 20)


def test_what_is_not_graded_does_not_count_and_is_counted() -> None:
    rows = [sample("a", 1.0), sample("b", None), sample("c", None, "unavailable"), sample("c", None, "unavailable")]
    values = summarize(rows, {"pass": "pass@{k}"}, ())
    assert (values["pass@1"], values["n"], values["ungradable"], values["unavailable"]) == (1.0, 1, 1, 1)
    assert values["outcomes"] == {"passed": 1, "unavailable": 2, "ungradable": 1}
    assert summarize([], {"pass": "pass@{k}"}, ())["n"] == 0


def test_independent_rights_and_wrongs_get_wilsons_interval() -> None:
    rows = [sample(str(i), float(i < 7)) for i in range(10)]
    values = summarize(rows, {"pass": "pass@{k}"}, ())
    assert values["intervals"]["pass@1"] == wilson(7, 10).as_list()


def test_items_of_one_update_are_resampled_together() -> None:
    rows = [sample(str(i), float(i < 20), group=str(i // 20)) for i in range(40)]
    low, mean, high = summarize(rows, {"pass": "pass@{k}"}, ())["intervals"]["pass@1"]
    # Two updates, one right and one wrong: nothing is known.
    assert (low, mean, high) == (0.0, 0.5, 1.0)


def test_tables_hold_the_same_metrics_by_part() -> None:
    rows = [sample("a", 1.0, library="numpy", kind="renamed"), sample("b", 0.0, library="pandas", kind="renamed")]
    by = summarize(rows, {"pass": "pass@{k}"}, ())["by"]
    assert by.keys() == {"library"}
    assert (by["library"]["numpy"]["pass@1"], by["library"]["numpy"]["n"]) == (1.0, 1)


def test_a_score_that_is_averaged_is_not_counted_twice() -> None:
    values = summarize([sample("a", 1.0), sample("b", 0.0)], {"pass": "pass@{k}"}, ("pass",))
    assert values["pass"] == 0.5
    assert "pass@1" not in values


def test_a_mean_over_fewer_items_says_over_how_many() -> None:
    rows = [sample("a", 1.0), {"id": "b", "outcome": "failed", "scores": {"pass": None, "edit": 0.5}}]
    values = summarize(rows, {}, ("pass", "edit"))
    assert (values["pass"], values["pass_n"], values["edit"], values["edit_n"]) == (1.0, 1, 0.5, 1)
    assert values["n"] == 2


def test_pass_at_k_is_the_unbiased_estimate() -> None:
    rows = [sample("a", float(i < 2)) for i in range(5)]
    values = summarize(rows, {"pass": "pass@{k}"}, ())
    assert values["pass@1"] == pytest.approx(0.4)
    assert values["pass@2"] == pytest.approx(1 - (3 / 5) * (2 / 4))
    assert values["pass@5"] == 1.0
