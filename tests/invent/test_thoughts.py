"""Gold and habit completions: what they say and that they parse."""

from __future__ import annotations

import itertools
import random

import pytest

from recode.invent import generate, generate_no_ops, gold_completion, habit_completion
from recode.invent.thoughts import changed_spans
from recode.prompts import Response, parse_response
from recode.records import Migration


@pytest.fixture(scope="module")
def made() -> list[Migration]:
    return [*itertools.islice(generate(11), 80), *itertools.islice(generate_no_ops(11), 20)]


def parsed(completion: str) -> Response:
    response = parse_response(completion)
    assert response.well_formed, completion
    assert response.code is not None
    return response


def test_a_gold_completion_holds_the_gold_program(made: list[Migration]) -> None:
    for entry in made:
        response = parsed(gold_completion(entry, random.Random(entry.id)))
        assert (response.code or "").rstrip() == entry.new_code.rstrip()
        assert response.thought.strip()


def test_a_habit_completion_holds_the_old_program(made: list[Migration]) -> None:
    for entry in made:
        response = parsed(habit_completion(entry, random.Random(entry.id)))
        assert (response.code or "").rstrip() == entry.old_code.rstrip()


def test_the_habit_has_many_openings_and_some_right_thoughts(made: list[Migration]) -> None:
    rng, openings, right = random.Random(1), set(), 0
    for entry in itertools.islice(itertools.cycle(made[:80]), 200):
        thought = parsed(habit_completion(entry, rng)).thought
        openings.add(thought.split()[0])
        spans = changed_spans(entry.old_code, entry.new_code)
        right += any(f"`{old}` becomes `{new}`" in thought for old, new in spans)
    assert len(openings) >= 10
    # One stale answer in ten follows a right thought, and not every right thought states a span.
    assert 4 <= right <= 40


def test_completions_depend_on_the_generator_alone(made: list[Migration]) -> None:
    for write in (gold_completion, habit_completion):
        assert write(made[0], random.Random(3)) == write(made[0], random.Random(3))


@pytest.mark.parametrize(
    ("old", "new", "spans"),
    [
        ("x = lib.old(1)", "x = lib.new(1)", [("lib.old", "lib.new")]),
        ("f(a, axis=1)", "f(a, dim=1)", [("axis", "dim")]),
        ("f(a)", "f(a, k=1)", [("a", "a, k=1")]),
        ("f(a, k=1)", "f(a)", [("a, k=1", "a")]),
        ("import os\nx = 1", "x = 1", [("import os", "")]),
        ("x = 1", "import os\nx = 1", [("", "import os")]),
        ("x = m.f(1)\ny = m.f(2)", "x = m.g(1)\ny = m.g(2)", [("m.f", "m.g")]),
        ("a.f(1)\nb = 2\na.h()", "a.g(1)\nb = 2\na.i()", [("a.f", "a.g"), ("a.h", "a.i")]),
        ("x = 1\n", "x = 1\n", []),
    ],
)
def test_changed_spans(old: str, new: str, spans: list[tuple[str, str]]) -> None:
    assert changed_spans(old, new) == spans


def test_spans_of_made_up_changes_occur_in_the_programs(made: list[Migration]) -> None:
    for entry in made[:80]:
        if entry.old_code.count("\n") == entry.new_code.count("\n"):
            for old, new in changed_spans(entry.old_code, entry.new_code):
                assert old in entry.old_code
                assert new in entry.new_code
