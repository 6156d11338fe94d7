"""Exact edits of a text by position: what they do not name stays as it is, to the byte."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, order=True)
class Edit:
    """Replace the characters from `start` to `end` (exclusive) by `text`; an insertion has both at one place."""

    start: int
    end: int
    text: str


def merged(edits: Iterable[Edit]) -> list[Edit]:
    """Return edits in order, each once.

    Raises:
        ValueError: two of them overlap.
    """
    ordered = sorted(set(edits))
    for before, after in pairwise(ordered):
        if after.start < before.end or (after.start == before.start and after.end == before.start < before.end):
            raise ValueError(f"edits overlap at {after.start}")
    return ordered


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with all edits done at once.

    Raises:
        ValueError: two of them overlap.
    """
    parts: list[str] = []
    last = 0
    for edit in merged(edits):
        parts += [text[last : edit.start], edit.text]
        last = edit.end
    return "".join([*parts, text[last:]])


def overlap(one: Iterable[Edit], other: Iterable[Edit]) -> bool:
    """Say whether any edit of one lot stands in the way of any of the other; the same edit in both does not."""
    try:
        merged([*one, *other])
    except ValueError:
        return True
    return False
