"""The level `section`: the part of the release notes around an update's item, whose other items distract from it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from recode.dataset.levels.bullets import FoundItem
from recode.dataset.levels.items import RawItem, names, tokens, with_children
from recode.dataset.note_levels import Excerpt

SHORTEST, LONGEST = 200, 1500
"""Tokens of a section, counted as words and marks."""
_TARGETS = (250, 1200)
"""Bounds of the length at which a section stops growing; a hash of the family draws one in between."""


def section(family: str, found: FoundItem, kept_apart: Collection[str]) -> Excerpt | None:
    """Return the section of an item: its neighbours of the same release, outwards until the length drawn for the family.

    Args:
        family: its id.
        found: the item.
        kept_apart: names of other updates; items that name one are left out, because they belong to test splits.

    Returns:
        None where the release has too few other items.
    """
    items = found.items
    first, last = with_children(found.position, items)
    own = list(range(first, last))
    before = [place for place in range(first - 1, -1, -1) if items[place].version == found.item.version]
    after = [place for place in range(last, len(items)) if items[place].version == found.item.version]
    chosen, length, omitted = set(own), sum(tokens(items[place].text) for place in own), 0
    target = _target(family)
    for place in _alternating(before, after, family):
        if length >= target:
            break
        if any(names(items[place].text, word) for word in kept_apart):
            omitted += 1
        elif length + (size := tokens(items[place].text)) <= LONGEST:
            chosen.add(place)
            length += size
    # An entry inside another one says nothing at the beginning of a section.
    while min(chosen) not in own and items[min(chosen)].indent > 0:
        chosen.remove(min(chosen))
    text = _written([items[place] for place in sorted(chosen)])
    if len(chosen) == len(own) or not SHORTEST <= tokens(text) <= LONGEST:
        return None
    top = items[min(chosen)]
    return Excerpt(text=text, package_version=found.package_version, file=top.file, line=top.line, omitted=omitted)


def _target(family: str) -> int:
    low, high = _TARGETS
    return low + int.from_bytes(hashlib.sha256(f"section {family}".encode()).digest()[:4], "big") % (high - low)


def _alternating(before: list[int], after: list[int], family: str) -> list[int]:
    """Return neighbours from near to far, more on one side than on the other, so that an item has no usual place."""
    ahead = hashlib.sha256(f"side {family}".encode()).digest()[0] % 4
    order = []
    left, right = iter(before), iter(after)
    for turn in range(len(before) + len(after) + 8):
        side = left if turn % 4 < ahead else right
        place = next(side, None)
        if place is None:
            place = next(right if side is left else left, None)
        if place is not None:
            order.append(place)
    return order


def _written(items: list[RawItem]) -> str:
    """Return items as the notes have them, each group below its headings."""
    lines: list[str] = []
    headings: tuple[str, ...] = ()
    introduction = ""
    for item in items:
        if item.headings != headings and item.indent <= 0:
            shared = next(
                (place for place, pair in enumerate(zip(item.headings, headings, strict=False)) if pair[0] != pair[1]),
                min(len(item.headings), len(headings)),
            )
            lines += ["", *item.headings[shared:], ""]
            headings = item.headings
        said = " ".join(" ".join(lines).split())
        if item.introduction and item.introduction != introduction and item.introduction not in said:
            lines += [item.introduction, ""]
        introduction = item.introduction
        lines.append(item.text)
        if item.indent < 0:
            lines.append("")
    return "\n".join(lines).strip()
