"""What a test split must not share with training: an update's names, its item of the release notes, and its mechanical edit."""

from __future__ import annotations

import difflib
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from recode.dataset.note_levels import UpdateNotes
from recode.dataset.splits import Split, leaves
from recode.records import Migration
from recode.source import clean

Edit = tuple[str, str]
"""Tokens that a migration takes out and those that it puts in their place, each joined by spaces."""

Shared = Literal["family", "name", "note item", "edit"]


@dataclass(frozen=True)
class Leak:
    """Something that an entry of a test split shares with training."""

    entry: str
    family: str
    shared: Shared
    what: str


def edits(entry: Migration) -> frozenset[Edit]:
    """Return the mechanical edits of a migration: the differing runs of tokens of its two programs."""
    old, new = _tokens(entry.old_code), _tokens(entry.new_code)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return frozenset(
        (" ".join(old[start:end]), " ".join(new[first:last]))
        for tag, start, end, first, last in matcher.get_opcodes()
        if tag != "equal"
    )


def _tokens(code: str) -> list[str]:
    readline = io.StringIO(clean(code)).readline
    return [token.string for token in tokenize.generate_tokens(readline) if token.string.strip()]


def note_items(entries: Iterable[Migration], notes: Mapping[str, UpdateNotes]) -> dict[tuple[str, str, int], set[str]]:
    """Return the items of release notes that are quoted for families: (library, file, line) → families."""
    found: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for entry in entries:
        for quote in entry.evidence:
            if quote.source == "release notes":
                found[entry.library, quote.file, quote.line].add(entry.family_id)
        own = notes.get(entry.family_id)
        if own is not None and own.bullet is not None:
            found[entry.library, own.bullet.file, own.bullet.line].add(entry.family_id)
    return found


def leaks(trained: Sequence[Migration], tested: Sequence[Migration], notes: Mapping[str, UpdateNotes]) -> list[Leak]:
    """Return what the tested entries share with the trained ones.

    An edit is shared where all edits of an entry occur in training, whether in one entry or in several.
    """
    names = {leaf for entry in trained for leaf in leaves(entry)}
    families = {family for entry in trained for family in entry.families}
    read = set(note_items(trained, notes))
    made = {edit for entry in trained for edit in edits(entry)}
    found: dict[Leak, None] = {}
    for entry in tested:
        for family in families.intersection(entry.families):
            found[Leak(entry.id, entry.family_id, "family", family)] = None
        for leaf in sorted(leaves(entry) & names):
            found[Leak(entry.id, entry.family_id, "name", leaf)] = None
        own = edits(entry)
        if own and own <= made:
            found[Leak(entry.id, entry.family_id, "edit", " ; ".join(f"{old} → {new}" for old, new in sorted(own)))] = (
                None
            )
    sharing = {
        family: place for place, families in note_items(tested, notes).items() if place in read for family in families
    }
    for entry in tested:
        for family in entry.families:
            if family in sharing:
                what = ":".join(map(str, sharing[family]))
                found[Leak(entry.id, entry.family_id, "note item", what)] = None
    return list(found)


def separated(
    entries: Sequence[Migration], splits: Mapping[str, Split], notes: Mapping[str, UpdateNotes]
) -> tuple[dict[str, Split], frozenset[str]]:
    """Return the splits with the families moved that share something with training, and the ids of entries to leave out.

    A family of `test_updates` that shares a name or a note item moves to `train`, with those that share a name with it; nothing
    ever moves from training to a test split. A family of a held-out library is left out, and so is one that shares a name with
    such a family. Of a family whose edits are known from training, only those entries are left out.
    """
    found = dict(splits)
    held_out = {leaf for one in entries if found[one.family_id] == "test_libraries" for leaf in leaves(one)}
    names: dict[str, set[str]] = defaultdict(set)
    own = {entry.family_id: leaves(entry) for entry in entries}
    for family, parts in own.items():
        for leaf in parts:
            names[leaf].add(family)
    while True:
        trained = [one for one in entries if found[one.family_id] in ("train", "validation")]
        tested = [one for one in entries if found[one.family_id] in ("test_updates", "test_libraries")]
        shared = leaks(trained, tested, notes)
        moved = {leak.family for leak in shared if leak.shared != "edit"}
        if not moved:
            return found, frozenset(leak.entry for leak in shared)
        for family in sorted(moved):
            for other in sorted({family}.union(*(names[leaf] for leaf in own[family]))):
                if found[other] == "test_libraries" and other == family:
                    found[other] = "out"
                elif found[other] == "test_updates":
                    found[other] = "out" if own[other] & held_out else "train"
