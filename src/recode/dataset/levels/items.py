"""Release notes as items with their raw lines: what a `bullet` quotes, and what a `section` is made of."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from recode.collect.texts.notes import items

_RULE = re.compile(r"^([=\-~^\"'`#*+.:_])\1{2,}\s*$")
_BULLET = re.compile(r"^(\s*)(?:[-*+•]|\d+[.)])\s+(?=\S)")
_MARK = re.compile(r"^\.\. _|^\.\. currentmodule|^\.\. contents|^#{1,6}\s|^\.\. (?:versionadded|rubric)")
_WORD = re.compile(r"\w+|[^\w\s]")
_CHANGE = re.compile(
    r"deprecat|remov|renam|no longer|instead|replac|moved|changed|drop|expire|is now\b|are now\b", re.I
)


@dataclass(frozen=True)
class RawItem:
    """One item of a file of notes: its raw lines `[line, end)`, counted from 1, its release, and the headings above it."""

    file: str
    line: int
    end: int
    version: str
    headings: tuple[str, ...]
    introduction: str
    text: str
    indent: int


@functools.lru_cache(maxsize=2048)
def raw_items(file: str, text: str) -> tuple[RawItem, ...]:
    """Return the items of a file in their order, each with its code blocks and without the headings after it."""
    lines = text.expandtabs().splitlines()
    found = sorted(items(file, text), key=lambda item: item.line)
    starts = [item.line for item in found]
    result = []
    for item, after in zip(found, [*starts[1:], len(lines) + 1], strict=False):
        end = _end(lines, item.line, after)
        raw = lines[item.line - 1 : end - 1]
        match = _BULLET.match(raw[0]) if raw else None
        headings = [one for one in item.headings if not one.endswith(":")]
        introduction = next((one for one in reversed(item.headings) if one.endswith(":")), "")
        result.append(
            RawItem(
                file, item.line, end, item.version, tuple(headings), introduction, "\n".join(raw).rstrip(),
                len(match.group(1)) if match else -1,
            )
        )  # fmt: skip
    return tuple(result)


def _end(lines: list[str], start: int, after: int) -> int:
    """Return the line (from 1) before which an item ends: the next item, or a heading in between."""
    end = start + 1
    while end < after:
        line = lines[end - 1]
        below = lines[end] if end < len(lines) else ""
        if _MARK.match(line) or _RULE.match(line) or (line.strip() and not line.startswith(" ") and _RULE.match(below)):
            break
        end += 1
    return end


def with_children(position: int, found: tuple[RawItem, ...]) -> tuple[int, int]:
    """Return the positions `[first, last)` of an item and of the list entries inside it."""
    item = found[position]
    last = position + 1
    if item.indent >= 0:
        while (
            last < len(found)
            and found[last].indent > item.indent
            and found[last].headings[: len(item.headings)] == item.headings
        ):
            last += 1
    elif item.text.rstrip().endswith(":"):
        while last < len(found) and found[last].indent >= 0 and found[last].version == item.version:
            last += 1
    return position, last


def names(text: str, word: str) -> bool:
    """Say whether a text names a symbol's part as a whole word."""
    return bool(word) and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def speaks_of_change(text: str) -> bool:
    """Say whether a text has the words of an announcement."""
    return _CHANGE.search(text) is not None


def tokens(text: str) -> int:
    """Return the number of words and marks of a text: a count that depends on no model."""
    return len(_WORD.findall(text))
