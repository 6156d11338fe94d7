"""Programs that attack their test: none passes, at any level; and what the text of a test says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from recode.sandbox.fork_servers import ForkServer, Interpreter, Level, Limits
from recode.sandbox.levels import try_level
from recode.sandbox.second_opinion import TestFacts, facts_of, judge_test

ATTACKS: list[dict[str, str]] = json.loads(
    (Path(__file__).parent / "attacks_on_tests.json").read_text(encoding="utf-8")
)["attacks"]
LEVELS: tuple[Level, ...] = ("isolated", "reduced")


@pytest.fixture(scope="module", params=LEVELS)
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[ForkServer, ForkServer]]:
    tried = try_level(request.param)
    if not tried.holds:
        pytest.skip(tried.reason)
    made = tuple(ForkServer(Interpreter(preload=("numpy", "pandas")), request.param) for _ in range(2))
    yield made[0], made[1]
    for server in made:
        server.stop()


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack["name"] for attack in ATTACKS])
def test_no_attack_passes(attack: dict[str, str], servers: tuple[ForkServer, ForkServer]) -> None:
    verdict = judge_test(*servers, attack["program"], attack["test"], Limits(seconds=6.0))
    assert verdict.outcome != "passed"


@pytest.mark.parametrize(
    ("test", "is_pure"),
    [
        ("assert f(1) == 2", True),
        ("import math\nassert math.isclose(f(1), 2.0)", True),
        ("import os\nassert f(1) == 2", False),
        ("assert open('x').read() == f(1)", False),
        ("assert f(1) is g(1)", False),
        ("assert f(1) is None", True),
        ("import random\nrandom.seed(1)\nassert f(1) == 2", False),
        ("with f() as x:\n    assert x", False),
    ],
)
def test_which_tests_mean_the_same_apart(test: str, is_pure: bool) -> None:
    facts = facts_of(test)
    assert isinstance(facts, TestFacts)
    assert facts.is_pure == is_pure


def test_names_of_the_program_and_modules() -> None:
    facts = facts_of("def check(c):\n    x = len(c(1))\n    assert np.allclose(x, y)\n    assert math.pi\ncheck(solve)")
    assert isinstance(facts, TestFacts)
    assert (facts.names, dict(facts.imports)) == (("solve", "y"), {"np": "numpy", "math": "math"})


def test_a_test_that_does_not_compile_is_said() -> None:
    assert "does not compile" in str(facts_of("return 1"))
    assert "does not compile" in str(facts_of("assert ("))
