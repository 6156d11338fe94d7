"""The level `bullet`: the item of the release notes, or the deprecation message, that announces an update."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from recode.collect.texts.deprecations import Notice, notices
from recode.collect.texts.notes import is_between
from recode.dataset.levels.items import RawItem, names, raw_items, speaks_of_change, with_children
from recode.dataset.note_levels import Excerpt
from recode.records import ApiUpdate, Evidence

LONGEST = 2400
"""Characters of an item; a longer one is a chapter rather than an item."""
_SEARCH_SCORE = 5
_USE = re.compile(r"keyword|positional|default|returns?\b|deprecat", re.I)
"""Words for changes of how a name is used, where the name stays."""
_REMOVED = re.compile(r"remov|drop|expire|delet", re.I)
_CODE = re.compile(r"@|[\w.]+\(")
"""What a decorator or a helper without a message of its own looks like."""
_NEAR = 12
"""Lines between a message's quoted line and the statement that it belongs to."""


@dataclass(frozen=True)
class FoundItem:
    """An item that announces an update: the release whose notes they are, and its position among the items of its file."""

    package_version: str
    items: tuple[RawItem, ...]
    position: int

    @property
    def item(self) -> RawItem:
        """The item itself."""
        return self.items[self.position]

    def bullet(self) -> Excerpt | None:
        """Return the item with the sentence that introduces its list and the entries inside it; None if that is too long."""
        first, last = with_children(self.position, self.items)
        text = "\n".join(one.text for one in self.items[first:last])
        # An entry of a list of names says nothing without the sentence before the list.
        if self.item.indent >= 0 and self.item.introduction and self.item.introduction not in text:
            text = f"{self.item.introduction}\n\n{text}"
        if len(text) > LONGEST:
            return None
        return Excerpt(text=text, package_version=self.package_version, file=self.item.file, line=self.item.line)


def announces(text: str, update: ApiUpdate) -> bool:
    """Say whether a text names the old API of an update or, where a parameter or value is concerned, its callable and that."""
    old, new = update.old_symbol, update.new_symbol
    if any(names(text, leaf) for leaf in old.leaves):
        return True
    return bool(new.leaves) and any(names(text, leaf) for leaf in new.leaves) and names(text, old.name)


def quoted_item(update: ApiUpdate, evidence: Evidence, files: Sequence[tuple[str, str]]) -> FoundItem | None:
    """Return the item at the place of a quote, if it names the update's API."""
    text = next((text for path, text in files if path == evidence.file), None)
    if text is None:
        return None
    found = raw_items(evidence.file, text)
    for position, item in enumerate(found):
        if item.line <= evidence.line < item.end:
            one = FoundItem(evidence.package_version, found, position)
            bullet = one.bullet()
            return one if bullet is not None and announces(bullet.text, update) else None
    return None


def searched_item(update: ApiUpdate, files: Sequence[tuple[str, str]], version: str) -> FoundItem | None:
    """Return the one item of the notes that speaks most clearly of an update; None where none is clear, or several are."""
    best: list[tuple[int, FoundItem]] = []
    for path, text in files:
        if "github_stats" in path or not any(leaf in text for leaf in update.old_symbol.leaves):
            continue
        found = raw_items(path, text)
        for position, item in enumerate(found):
            if is_between(item.version, update.old_version, update.new_version):
                score = _clarity(item, update)
                if score >= _SEARCH_SCORE:
                    best.append((score, FoundItem(version, found, position)))
    best.sort(key=lambda one: -one[0])
    if not best or (len(best) > 1 and best[1][0] == best[0][0] and best[1][1].item.version != best[0][1].item.version):
        return None
    return best[0][1] if best[0][1].bullet() is not None else None


def _clarity(item: RawItem, update: ApiUpdate) -> int:
    """Score how clearly an item speaks of an update: 0 unless it names the old API and speaks of a change."""
    old, new = update.old_symbol, update.new_symbol
    around = "\n".join((*item.headings, item.introduction, item.text))
    if not any(names(item.text, leaf) for leaf in old.leaves) or not speaks_of_change(around):
        return 0
    # `groups` and `fit` are names of many things; the callable and its class say which one is meant.
    owned = [*([old.name] if old.parameters else []), *([old.parent.rpartition(".")[2]] if old.of_class else [])]
    if not all(names(around, one) for one in owned):
        return 0
    fresh = new.leaves - old.leaves
    if old.path == new.path and not fresh and not _USE.search(item.text):
        return 0
    named = any(names(item.text, leaf) for leaf in fresh)
    if fresh and not named and not _REMOVED.search(around):
        return 0
    owners = {old.name, old.parent.rpartition(".")[2]} - old.leaves - {old.package}
    score = 2 + 2 * named
    score += 2 * any(names(around, owner) for owner in owners if owner) + 2 * (old.path in item.text)
    series = {version for version in (update.removed_in, update.deprecated_in) if version}
    score += 2 * any(item.version == one or item.version.startswith(f"{one}.") for one in series)
    return score + speaks_of_change(item.text)


def message(update: ApiUpdate, evidence: Evidence, text: str) -> Excerpt | None:
    """Return the whole message or directive in a source at the place of a quote; None if none names the update's API."""
    near = [one for one in _notices(evidence.file, text) if abs(one.line - evidence.line) <= _NEAR]
    near = [one for one in near if announces(one.text, update) and " " in one.text]
    # A message with placeholders names at run time what the source does not show.
    near.sort(key=lambda one: (_shared(one.text, evidence.quote) < 3, "{" in one.text, abs(one.line - evidence.line)))
    for one in near[:1]:
        if "{" not in one.text and not _CODE.match(one.text) and len(one.text) <= LONGEST:
            return Excerpt(text=one.text, package_version=evidence.package_version, file=evidence.file, line=one.line)
    return None


def _shared(text: str, quote: str) -> int:
    return len(set(text.split()) & set(quote.split()))


@functools.lru_cache(maxsize=512)
def _notices(file: str, text: str) -> list[Notice]:
    return notices([(file, text)])
