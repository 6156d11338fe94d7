"""Edits of a text by position; everything outside them stays the same, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, order=True)
class Edit:
    """Replace the characters from `start` to `end` (exclusive) by `text`; for an insertion both are equal."""

    start: int
    end: int
    text: str


def merged(edits: Iterable[Edit]) -> list[Edit]:
    """Return edits in order, without duplicates.

    Raises:
        ValueError: two of them overlap.
    """
    ordered = sorted(set(edits))
    for before, after in pairwise(ordered):
        if after.start < before.end or (after.start == before.start and after.end == before.start < before.end):
            raise ValueError(f"edits overlap at {after.start}")
    return ordered


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Return the text after all edits.

    Raises:
        ValueError: two of them overlap.
    """
    parts: list[str] = []
    last = 0
    for edit in merged(edits):
        parts += [text[last : edit.start], edit.text]
        last = edit.end
    return "".join([*parts, text[last:]])


def overlap(first: Iterable[Edit], second: Iterable[Edit]) -> bool:
    """Say whether any two edits of the two groups overlap; the same edit in both does not count."""
    try:
        merged([*first, *second])
    except ValueError:
        return True
    return False
