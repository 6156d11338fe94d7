"""Composed edits: the same text as editing twice."""

from __future__ import annotations

import random

import pytest

from recode.migrate.source.composing import composed, later_offset, original_offset
from recode.migrate.source.edits import Edit, apply


def twice(text: str, first: list[Edit], second: list[Edit]) -> str:
    return apply(apply(text, first), second)


def once(text: str, first: list[Edit], second: list[Edit]) -> str:
    return apply(text, [one.edit for one in composed(text, first, second)])


def random_edits(chooser: random.Random, length: int, letters: str) -> list[Edit]:
    """Edits that neither overlap nor touch, so that their order is never in question."""
    places = sorted(chooser.sample(range(length + 1), 2 * min((length + 1) // 2, chooser.randint(0, 4))))
    edits = []
    for start, end in zip(places[::2], places[1::2], strict=True):
        end = chooser.choice((start, end))
        edits.append(Edit(start, end, "".join(chooser.choices(letters, k=chooser.randint(end == start, 3)))))
    return edits


@pytest.mark.parametrize("seed", range(400))
def test_has_the_effect_of_both(seed: int) -> None:
    chooser = random.Random(seed)
    text = "".join(chooser.choices("abcdefgh", k=chooser.randint(0, 30)))
    first = random_edits(chooser, len(text), "XYZ")
    second = random_edits(chooser, len(apply(text, first)), "123")
    # Two insertions at one place of the old text have no order.
    parts = composed(text, first, second)
    insertions = [one.edit.start for one in parts if one.edit.start == one.edit.end]
    if len(insertions) == len(set(insertions)):
        assert once(text, first, second) == twice(text, first, second)
    assert frozenset().union(*(one.first for one in parts)) == set(first)
    assert frozenset().union(*(one.second for one in parts)) == set(second)


def test_joins_what_overlaps_and_nothing_else() -> None:
    text = "old(inner(x)), other(y)"
    first = [Edit(0, 3, "new"), Edit(15, 20, "OTHER")]
    second = [Edit(0, 3, "newest"), Edit(4, 9, "INNER")]
    parts = composed(text, first, second)
    assert [one.edit for one in parts] == [Edit(0, 3, "newest"), Edit(4, 9, "INNER"), Edit(15, 20, "OTHER")]
    assert [(len(one.first), len(one.second)) for one in parts] == [(1, 1), (0, 1), (1, 0)]


def test_offsets_of_what_stays() -> None:
    first = [Edit(2, 4, "longer"), Edit(6, 6, "in")]
    assert [later_offset(first, offset) for offset in range(8)] == [0, 1, None, None, 8, 9, 12, 13]
    assert [original_offset(first, offset) for offset in (0, 1, 2, 7, 8, 9, 10, 11, 12, 13)] == [
        0, 1, None, None, 4, 5, None, None, 6, 7
    ]  # fmt: skip
