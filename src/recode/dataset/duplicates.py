"""Near-duplicate entries: programs that differ only in names, data and comments."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, process

from recode.dataset.programs import skeleton
from recode.records import Migration

NEAR = 95.0
"""Similarity (0 to 100) of two entries' skeletons from which the later one is dropped."""


def near_duplicates(entries: Sequence[Migration]) -> dict[str, str]:
    """Return the ids of entries that nearly repeat an earlier one: id → id of the entry repeated.

    Both programs count, old and new: the same program for another API is another entry.
    """
    kept: list[str] = []
    texts: list[str] = []
    repeats: dict[str, str] = {}
    for entry in entries:
        text = f"{skeleton(entry.old_code)}\n{skeleton(entry.new_code)}"
        nearest = process.extractOne(text, texts, scorer=fuzz.ratio, score_cutoff=NEAR, processor=None)
        if nearest is not None:
            repeats[entry.id] = kept[nearest[2]]
        else:
            kept.append(entry.id)
            texts.append(text)
    return repeats
