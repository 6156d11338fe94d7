"""The table, the weighted sum, and the adapters to TRL and verl."""

from __future__ import annotations

import pytest

from recode.errors import RecipeError
from recode.prompts import response
from recode.rewards import FAMILIES, compute_score, score, trl_reward

GOLD, OLD = "x = new(1)", "x = old(1)"
RIGHT, BAD = response("t", GOLD), "no tags"


def test_the_total_is_a_weighted_sum() -> None:
    assert score(RIGHT, GOLD).total == 3.0
    assert score(RIGHT, GOLD, OLD, weights={"lift": 2, "exact": 0.5}).total == 3.0
    assert score(RIGHT, GOLD, weights={"lift": 1}).total is None
    assert score(RIGHT, "x =", weights={"format": 1}).total == 1.0
    assert score(RIGHT, GOLD)["exact"] == 2.0


def test_unknown_names_say_what_to_choose_from() -> None:
    with pytest.raises(RecipeError, match="unknown reward family `loose`; choose from strict, paper"):
        score(RIGHT, GOLD, family="loose")
    with pytest.raises(RecipeError, match="unknown reward term `edt`; choose from format, exact, edit, lift"):
        score(RIGHT, GOLD, weights={"edt": 1})
    with pytest.raises(RecipeError, match="unknown reward term"):
        trl_reward("edt")


def test_trl_rewards() -> None:
    for family, table in FAMILIES.items():
        for name in table:
            assert trl_reward(name, family).__name__ == f"{family}_{name}"
    chats = [[{"role": "assistant", "content": RIGHT}], [{"role": "assistant", "content": [{"text": BAD}]}], []]
    columns = {"prompts": ["p"] * 3, "target": [GOLD, GOLD, GOLD], "old_code": [OLD, OLD, None], "trainer_state": None}
    assert trl_reward("lift")(completions=chats, **columns) == [1.0, -1.0, None]
    assert trl_reward("edit")(completions=[RIGHT, BAD, RIGHT], prompts=[], target=[GOLD, GOLD, "("]) == [
        2.0,
        -2.0,
        None,
    ]
    with pytest.raises(ValueError, match="zip"):
        trl_reward("edit")(completions=[RIGHT], prompts=[], target=[])


def test_verl_score() -> None:
    assert compute_score("recode", RIGHT, GOLD) == {"score": 3.0, "format": 1.0, "exact": 2.0, "edit": 2.0}
    extra = {"old_code": OLD, "weights": {"lift": 1.0}}
    assert compute_score("recode", BAD, GOLD, extra) == {
        "score": -1.0,
        "format": -1.0,
        "exact": -2.0,
        "edit": -2.0,
        "lift": -1.0,
        "progress": 0.0,
    }
    assert compute_score("recode", RIGHT, GOLD, {"family": "paper"})["score"] == 3.0
