"""The assignment of families to splits. A family is never divided, and whole libraries are held out."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal, get_args

from recode.errors import RecordError
from recode.records import ApiUpdate, write_text

Split = Literal["train", "validation", "test_updates", "test_libraries", "out"]
"""Where a family is; `out` is in no file, because it would have to be in a test split and shares something with training."""

FIXED_FILE = "splits.txt"
"""The splits of all families built so far, beside the sources: a family keeps its split, so that what was trained on is never tested."""

HELD_OUT = frozenset({"marshmallow", "networkx", "polars"})
"""Libraries that are only in `test_libraries`."""

SHARES: Mapping[Split, float] = {"train": 0.6, "validation": 0.1, "test_updates": 0.3}
"""How each other library's families are divided."""

SEED = "recode splits 1"


def assign(
    updates: Iterable[ApiUpdate], pinned: Collection[str] = (), fixed: Mapping[str, Split] | None = None
) -> dict[str, Split]:
    """Return the split of every family. Families of `fixed` keep theirs.

    Families of `pinned`, and those that share a leaf symbol with one of them, are in `train`, because a published model has seen them.

    Families that share a leaf symbol, old or new (`DataFrame.append` and `Series.append`), stay together; where one
    of them is of a held-out library, the others go to `test_updates`. The order comes from a hash of the families'
    ids, so it does not depend on the order of the updates.
    """
    families = {update.family_id: update for update in sorted(updates, key=lambda update: update.family_id)}
    splits: dict[str, Split] = {}
    sizes: dict[str, int] = defaultdict(int)
    filled: dict[tuple[str, Split], int] = defaultdict(int)
    for update in families.values():
        sizes[update.library] += 1
    fixed = fixed or {}
    groups = sorted(_groups(families), key=lambda group: _order(group, families, pinned))
    for family in sorted(families.keys() & fixed.keys()):
        splits[family] = fixed[family]
        filled[families[family].library, fixed[family]] += 1
    for group in groups:
        if placed := [fixed[family] for family in group if family in fixed]:
            _join(group, placed, families, splits)
            continue
        libraries = [families[family].library for family in group]
        if not set(pinned).isdisjoint(group):
            chosen: Split = "train"
        elif HELD_OUT.isdisjoint(libraries):
            chosen = _emptiest(libraries, sizes, filled)
        else:
            chosen = "test_updates"
        for family, library in zip(group, libraries, strict=True):
            splits[family] = "test_libraries" if library in HELD_OUT else chosen
            filled[library, splits[family]] += 1
    return splits


def _join(group: list[str], placed: list[Split], families: Mapping[str, ApiUpdate], splits: dict[str, Split]) -> None:
    """Place the new families of a group whose other families have their split: with training if any of those is in it."""
    order: tuple[Split, ...] = ("train", "validation", "test_updates", "out")
    shared: Split = next((split for split in order if split in placed), "test_updates")
    for family in group:
        if family not in splits:
            held_out = families[family].library in HELD_OUT
            chosen: Split = "test_libraries" if shared in ("test_updates", "out") else "out"
            splits[family] = chosen if held_out else shared


def read_fixed(sources: Path) -> dict[str, Split]:
    """Return the splits that families have already: the lines `family split` of `splits.txt` beside the sources.

    Raises:
        RecordError: a line names no split; says which.
    """
    path = (sources if sources.is_dir() else sources.parent) / FIXED_FILE
    if not path.is_file():
        return {}
    fixed: dict[str, Split] = {}
    known: Mapping[str, Split] = {name: name for name in get_args(Split)}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if text := line.partition("#")[0].split():
            if len(text) != 2 or text[1] not in known:
                raise RecordError(f"{path}:{number}: expected a family and one of {', '.join(known)}")
            fixed[text[0]] = known[text[1]]
    return fixed


def write_fixed(sources: Path, splits: Mapping[str, Split]) -> None:
    """Write the splits of all families beside the sources.

    Raises:
        RecordError: the file cannot be written.
    """
    head = (
        "# The split of every family, written by `recode data build`. A family keeps its split; `out` is in no file.\n"
        "# Nothing may move from train or validation to a test split.\n"
    )
    folder = sources if sources.is_dir() else sources.parent
    write_text(folder / FIXED_FILE, head + "".join(f"{family} {splits[family]}\n" for family in sorted(splits)))


def _order(group: list[str], families: Mapping[str, ApiUpdate], pinned: Collection[str]) -> tuple[bool, int, str]:
    """Return the sort key of a group: those without a choice first, then large ones, so that small ones can even out the shares."""
    forced = any(families[family].library in HELD_OUT or family in pinned for family in group)
    size = len(group) if len(group) > 2 else 0
    return not forced, -size, hashlib.sha256(f"{SEED} {' '.join(group)}".encode()).hexdigest()


def _emptiest(libraries: list[str], sizes: Mapping[str, int], filled: Mapping[tuple[str, Split], int]) -> Split:
    """Return the split that is furthest below its share in these libraries; in a tie, the first of `SHARES`."""

    def lacking(split: Split) -> float:
        return sum(SHARES[split] * sizes[library] - filled[library, split] for library in libraries) / len(libraries)

    return max(SHARES, key=lacking)


def _groups(families: Mapping[str, ApiUpdate]) -> list[list[str]]:
    """Return the families joined by shared leaf symbols, each group sorted by id."""
    parent = {family: family for family in families}

    def root(family: str) -> str:
        while parent[family] != family:
            parent[family] = parent[parent[family]]
            family = parent[family]
        return family

    first: dict[str, str] = {}
    for family, update in families.items():
        for leaf in leaves(update):
            parent[root(family)] = root(first.setdefault(leaf, family))
    groups: dict[str, list[str]] = defaultdict(list)
    for family in sorted(families):
        groups[root(family)].append(family)
    return list(groups.values())


def leaves(update: ApiUpdate) -> frozenset[str]:
    """Return the leaf symbols of an update, old and new."""
    return update.old_symbol.leaves | update.new_symbol.leaves
