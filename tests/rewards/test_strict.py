"""The strict family: bounded, never raises, gold scores the maximum, and what fools the paper family fools it not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recode.prompts import response
from recode.rewards import FAMILIES, copy_baseline, gradable, score
from recode.rewards.answer import MAX_CHARACTERS
from recode.rewards.lift import lift

GOLD = "import lib\n\nvalue = lib.new(1)\nprint(value)\n"
OLD = "import lib\n\nvalue = lib.old(1)\nprint(value)\n"
WRONG = "print('no')\n"
BEST = {"format": 1.0, "exact": 2.0, "edit": 2.0, "lift": 1.0, "progress": 1.0}
WORST = {"format": -1.0, "exact": -2.0, "edit": -2.0, "lift": -1.0, "progress": 0.0}
TRAPS = [
    "```",
    "\n",
    "</answer>",
    "<think>",
    "</think>",
    "x = 1",
    "#",
    "'''",
    '"',
    " ",
    "\\",
    "don't",
    "if x:\n  ",
    "y",
]
SOUP = st.lists(st.sampled_from(TRAPS), max_size=10).map("".join)


def fenced(code: str) -> str:
    return f"```python\n{code}```"


@settings(max_examples=200, deadline=None)
@given(SOUP | st.text(), SOUP | st.text(), st.none() | SOUP)
def test_bounded_and_never_raises(completion: str, target: str, old_code: str | None) -> None:
    for family in FAMILIES:
        scores = score(completion, target, old_code, family)
        for name, value in scores.terms.items():
            assert value is None or WORST[name] <= value <= BEST[name]
    strict = score(completion, target, old_code)
    assert (strict["edit"] is None) == (strict["exact"] is None) == (strict.total is None) == (not gradable(target))


@settings(max_examples=200, deadline=None)
@given(SOUP | st.text(), SOUP)
def test_the_gold_scores_the_maximum_or_is_ungradable(gold: str, old_code: str) -> None:
    scores = score(response("thought", gold), gold, old_code)
    ungradable = dict.fromkeys(BEST) | {"format": 1.0}
    assert scores.terms == (BEST if gradable(gold) else ungradable)


@pytest.mark.parametrize(
    "gold",
    [
        "x = '```'",
        "x = '''\n```python\ny\n```\n'''",
        "x = '</answer>'  # <think> </think> <answer>",
        "'''\n</answer>\n````\n'''",
        "",
        "# only a comment",
        "x = 1 \\\n\n",
        "x = 1\r\ny = 2\r\n",
    ],
)
def test_hard_golds_score_the_maximum(gold: str) -> None:
    assert score(response("t", gold), gold, "z = 3").terms == BEST


def test_ungradable_is_none_never_zero() -> None:
    for gold in ("x =", "x\x00", "x = 1\n" * MAX_CHARACTERS):
        assert not gradable(gold)
        scores = score(response("t", gold), gold, OLD)
        assert [scores[name] for name in ("exact", "edit", "lift", "progress", "total")] == [None] * 5
    assert score(response("t", GOLD), GOLD)["lift"] is None


def test_values() -> None:
    scores = score(response("t", "abcd"), "abXd", "abcd")
    assert scores.terms == {"format": 1.0, "exact": -1.5, "edit": 3.5 * 0.75 - 1.5, "lift": 0.0, "progress": 0.0}
    assert scores.total == 1.0 + 3.5 * 0.75 - 1.5
    assert score("no tags", GOLD, OLD).terms == WORST
    assert score(response("t", "x ="), GOLD, OLD).terms == {**WORST, "format": 1.0}


@pytest.mark.parametrize(
    ("out", "gold", "old", "expected"),
    [
        ("abcd", "abXd", "abcd", 0.0),
        ("abXd", "abXd", "abcd", 1.0),
        ("abXY", "abXd", "abcd", 0.0),
        ("aXXd", "XXXX", "abcd", 0.5),
        ("zzzz", "abXd", "abcd", -1.0),
        # No-op entries: old and gold are the same.
        ("abcd", "abcd", "abcd", 1.0),
        ("abcX", "abcd", "abcd", -0.25),
        ("XXXX", "abcd", "abcd", -1.0),
        ("", "", "", 1.0),
        ("x", "", "", -1.0),
    ],
)
def test_lift(out: str, gold: str, old: str, expected: float) -> None:
    assert lift(out, gold, old) == pytest.approx(expected)


def test_progress_is_the_lift_without_its_penalty() -> None:
    nearer, away = response("t", "a = 1\nb = 12"), response("t", "zzzzzzzzzzz")
    gold, old = "a = 11\nb = 12", "a = 2\nb = 2"
    assert score(nearer, gold, old)["progress"] == score(nearer, gold, old)["lift"] == pytest.approx(2 / 3, abs=0.2)
    lift_away = score(away, gold, old)["lift"]
    assert lift_away is not None
    assert lift_away < 0
    assert score(away, gold, old)["progress"] == 0.0
    # Where nothing is to change, a little change earns nothing.
    assert score(nearer, gold, gold)["progress"] == 0.0


def test_copying_the_old_code_scores_high_but_has_no_lift() -> None:
    copied = copy_baseline(GOLD, OLD)
    assert copied.total is not None
    assert copied.total > 2.5
    assert (copied["lift"], copied["exact"]) == (0.0, -1.5)
    assert copy_baseline(GOLD, GOLD).terms == BEST


def test_copying_a_no_op_that_is_run_earns_the_execution_term() -> None:
    weights = {"format": 1.0, "execution": 2.0}
    assert copy_baseline(GOLD, GOLD, weights=weights, runs=True).total == 3.0
    assert copy_baseline(GOLD, GOLD, weights=weights).total == 1.0
    assert copy_baseline(GOLD, OLD, weights=weights, runs=True).total == 1.0


APOSTROPHES = f"{GOLD}# don't\nraise SystemExit(everything.is_gone)\n# won't\n"


@pytest.mark.parametrize(
    ("completion", "target"),
    [
        pytest.param(response("t", APOSTROPHES), GOLD, id="apostrophes in two comments hide code"),
        pytest.param(f"{fenced(GOLD)}</think><answer>{fenced(WRONG)}</answer>", GOLD, id="right code in the thought"),
        pytest.param(
            f"</think>{fenced(GOLD)}<answer>{fenced(WRONG)}</answer>", GOLD, id="right code before the answer"
        ),
        pytest.param(
            f"</think><answer>{fenced(GOLD)}\n{fenced(WRONG)}</answer>", GOLD, id="two fences, the first is right"
        ),
        pytest.param(
            f"</think><answer>{fenced(GOLD)}</answer><answer>{fenced(WRONG)}</answer>", GOLD, id="two answer blocks"
        ),
        pytest.param(response("t", "s = '''a\n\nb'''"), "s = '''a\nb'''", id="blank lines in a string"),
        pytest.param(response("t", "    x = 1").replace("\n    x", "\n\n    x"), "x = 1", id="an indented fragment"),
    ],
)
def test_exploits_fool_the_paper_family_only(completion: str, target: str) -> None:
    assert score(completion, target, family="paper")["exact"] == 2.0
    assert score(completion, target)["exact"] in (-1.5, -2.0)


def test_more_attacks_do_not_reach_the_gold() -> None:
    answers = [
        response("t", GOLD + "if False:\n    " + "pad = 1\n    " * 50),
        response("t", GOLD.replace("value", "vаlue")),  # A Cyrillic letter.
        response("t", GOLD.replace(" = ", "\u00a0= ")),
        response("t", GOLD.replace("lib.new", "lib.new\u200b")),
        response("t", f"'''\n{GOLD}'''\n{WRONG}"),
        response("t", "# " + GOLD.replace("\n", "\n# ")),
        response("t", GOLD.replace("1", "(" * 300 + "1" + ")" * 300)),
        f"</think><answer>{GOLD}</answer>",
        f"</think><answer><answer>{fenced(GOLD)}</answer></answer>",
        f"</think><answer><!-- {fenced(GOLD)} --></answer>",
        response("t", WRONG) + fenced(GOLD),
        response("t", WRONG) + f"<answer>{fenced(GOLD)}</answer>",
    ]
    for completion in answers:
        assert score(completion, GOLD)["exact"] in (-1.5, -2.0), completion


def test_dead_code_costs_what_it_adds() -> None:
    padded = [score(response("t", GOLD + "pad = 1\n" * count), GOLD)["edit"] or 0.0 for count in (0, 1, 10, 100)]
    assert padded == sorted(padded, reverse=True)
    assert padded[-1] < -1.0


def test_trailing_words_cost_the_format_only() -> None:
    assert score(response("t", GOLD) + " done", GOLD, OLD).terms == {**BEST, "format": -1.0}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "body",
    ["x = 1\n" * 170_000, "'" * 10**6, '\\"' * 500_000, "(" * 10**6, "</think><answer>" * 60_000, "x = 1\n" * 16_000],
    ids=["statements", "quotes", "escapes", "brackets", "tags", "just under the limit"],
)
def test_a_megabyte_takes_bounded_time(family: str, body: str) -> None:
    start = time.process_time()
    for completion in (body, response("t", body)):
        score(completion, GOLD, OLD, family)
        score(completion, "y = 2\n" * 16_000, OLD, family)
    assert time.process_time() - start < 20
