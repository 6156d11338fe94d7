"""What a command printed, in a form that two runs can be compared by, and the lines that differ."""

from __future__ import annotations

import difflib
import re
from enum import IntEnum

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


class OutputMask(IntEnum):
    """How much of a run is left out of comparisons, because two runs of the same code differ in it."""

    NOTHING = 0
    NUMBERS = 1
    """Numbers, such as times."""
    ALL_OUTPUT = 2
    EVEN_THE_OUTCOME = 3
    """The test passes at one time and fails at another."""


def normalised(text: str) -> str:
    """Return output without what differs by chance or layout: addresses of objects, runs of spaces, ends of lines."""
    lines = (" ".join(_ADDRESS.sub("0x…", line).split()) for line in text.splitlines())
    return "\n".join(lines).strip()


def masked(text: str, mask: OutputMask) -> str:
    """Return the part of normalised output that is compared."""
    if mask is OutputMask.NOTHING:
        # Layout alone is no other value: the same words may be wrapped differently.
        return " ".join(text.split())
    return " ".join(_NUMBER.sub("#", text).split()) if mask is OutputMask.NUMBERS else ""


def changed_lines(old: str, new: str) -> list[tuple[str, str]]:
    """Return the lines that differ, old beside new; empty on the side that has none."""
    before, after = old.splitlines(), new.splitlines()
    pairs = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            for step in range(max(b - a, d - c)):
                pairs.append((before[a + step] if a + step < b else "", after[c + step] if c + step < d else ""))
    return pairs
