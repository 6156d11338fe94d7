"""Updates laid out for looking up: by the name that is used, by the member of a class, by the function whose parameter is meant."""

from __future__ import annotations

import functools
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import Version

from recode import knowledge
from recode.knowledge.model import Shape
from recode.knowledge.versions import status_at
from recode.migrate.find.guards import release_names
from recode.records import ApiUpdate, Status
from recode.symbol import Symbol

_KNOWLEDGE = Path(knowledge.__file__).parent
_CALLS = frozenset({"parameter_renamed", "parameter_removed", "parameter_added", "keyword_only"})
_PYTHON_2 = frozenset({"iteritems", "iterkeys", "itervalues", "has_key"})
"""Members that dictionaries had in Python 2, of which programs for both still speak."""
_UNSURE = {"default_changed": 0.3, "return_changed": 0.3, "parameter_added": 0.2}
"""Kinds of updates that most uses of the symbol may have nothing to do with, and how sure a use is then."""


@dataclass(frozen=True)
class Entry:
    """An update as it applies at the target release."""

    update: ApiUpdate
    symbol: Symbol
    status: Status
    since: str
    factor: float = 1.0


@dataclass(frozen=True)
class Hints:
    """What nobody's annotations say of a library: habits of naming, and what operators and loops give (`hints.toml`)."""

    names: dict[str, str] = field(default_factory=dict)
    suffixes: dict[str, str] = field(default_factory=dict)
    returns: dict[str, str] = field(default_factory=dict)
    subscript: dict[str, tuple[str, str]] = field(default_factory=dict)
    attribute: dict[str, str] = field(default_factory=dict)
    loop: dict[str, tuple[str, ...]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    guess: frozenset[str] = frozenset()
    aliases: dict[str, str] = field(default_factory=dict)


@dataclass
class Index:
    """All that scanning looks up. Paths in it are those that the updates have, and their aliases."""

    names: dict[str, list[Entry]] = field(default_factory=dict)
    calls: dict[str, list[Entry]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    """Last part of a path → the paths of members of classes that end so."""
    packages: frozenset[str] = frozenset()
    release_names: re.Pattern[str] = field(default_factory=lambda: release_names(()))
    """Names of variables that are about the release of one of the packages."""
    changed: frozenset[str] = frozenset()
    """What the updates take away or bring, whether it has come by the target release or not."""
    aliases: dict[str, str] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    positional: dict[str, int] = field(default_factory=dict)
    returns: dict[str, str] = field(default_factory=dict)
    keeps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hints: Hints = field(default_factory=Hints)
    given: frozenset[str] = frozenset()
    """What something returns or holds, so that it is a class whatever it is called."""
    common: frozenset[str] = frozenset()
    """Names of members that say nothing of whose they are."""
    likely: frozenset[str] = frozenset()
    """Classes whose instances variables are habitually called by: what is passed about unnamed is most likely one of them."""
    telling: frozenset[str] = frozenset()
    """Members that are told by their name alone also in files that do not import the library, where others of the project do."""
    exports: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the project's own modules pass on (`exports.py`)."""
    leaves: frozenset[str] = frozenset()
    """Words one of which a file must hold to be worth parsing."""

    def canonical(self, path: str) -> str:
        """Return the best public path of what a path leads to."""
        return self.aliases.get(path, path)

    def bases(self, path: str) -> tuple[str, ...]:
        """Return a class and those it derives from, in the order of resolution."""
        return (path, *self.classes.get(path, ()))

    def lost(self, cls: str, leaf: str, table: dict[str, list[Entry]]) -> str | None:
        """Return the path of the update in a table that a member of a class is about; None where the class still has it."""
        if leaf in self.keeps.get(cls, ()) and f"{cls}.{leaf}" not in table:
            return None
        return next((path for base in self.bases(cls) if (path := f"{base}.{leaf}") in table), None)

    def is_class(self, path: str) -> bool:
        """Say whether a path leads to a class, as far as known; else by the habit of capital letters."""
        return (
            path in self.classes
            or path in self.given
            or (path.rpartition(".")[2][:1].isupper() and path not in self.returns)
        )


def build_index(
    updates: Iterable[ApiUpdate], shapes: Sequence[Shape], target: Version | None = None, start: Version | None = None
) -> Index:
    """Lay out the updates that have come by the target release (None: each update's newer release)."""
    names: dict[str, list[Entry]] = defaultdict(list)
    calls: dict[str, list[Entry]] = defaultdict(list)
    libraries, packages = set(), {package for shape in shapes for package in shape.packages}
    updates = list(updates)
    for update in updates:
        symbol = update.old_symbol
        found = status_at(update, target, start)
        if not symbol.path or found is None or update.kind == "no_op":
            continue
        libraries.add(update.library)
        packages.add(symbol.package)
        is_call = bool(symbol.arguments) or update.kind in _CALLS
        unsure = not symbol.has_values and (update.kind != "parameter_added" or not symbol.parameters)
        factor = _UNSURE.get(update.kind, 1.0) if unsure else 1.0
        # Two sources may tell of one change: the first, which is the better one, counts.
        rows = (calls if is_call else names)[symbol.path]
        if all(not _same(one, symbol) for one in rows):
            rows.append(Entry(update, symbol, *found, factor))
    hints = merged_hints(libraries)
    index = Index(dict(names), dict(calls), packages=frozenset(packages), hints=hints)
    index.release_names = release_names(packages)
    index.changed = frozenset(name for update in updates for name in (update.old_symbol, update.new_symbol) if name)
    for shape in shapes:
        index.aliases |= shape.aliases
        index.classes |= shape.classes
        index.parameters |= shape.parameters
        index.positional |= shape.positional
        index.returns |= shape.returns
        index.keeps |= shape.keeps
    index.returns |= hints.returns
    index.aliases |= hints.aliases
    index.given = frozenset(index.returns.values())
    # That some class still has a member of Python 2's dictionaries says nothing for or against another owner.
    index.common = common_members() - _PYTHON_2
    index.likely = frozenset([*hints.names.values(), *hints.suffixes.values()])
    _fill_members(index)
    return index


def telling_members(index: Index) -> frozenset[str]:
    """Return the names of members that only one likely class had, and nothing else has."""
    return frozenset(
        leaf
        for leaf, paths in index.members.items()
        if leaf not in index.common
        and leaf not in _PYTHON_2
        and any(path in index.names and path.rpartition(".")[0] in index.likely for path in paths)
    )


def _same(entry: Entry, symbol: Symbol) -> bool:
    same_names = entry.symbol.parameters == symbol.parameters
    return entry.symbol.arguments == symbol.arguments or (
        bool(symbol.parameters) and same_names and not symbol.has_values
    )


def _fill_members(index: Index) -> None:
    members: dict[str, list[str]] = defaultdict(list)
    leaves = set()
    for path, entries in [*index.names.items(), *index.calls.items()]:
        owner, _, leaf = path.rpartition(".")
        if index.is_class(owner):
            members[leaf].append(path)
        for entry in entries:
            named = entry.update.kind not in ("keyword_only", "default_changed") and entry.symbol.parameters
            leaves |= set(entry.symbol.parameters) if named and path not in index.parameters else {leaf}
            if index.is_class(path):
                leaves.add(leaf)
    index.members = dict(members)
    index.leaves = frozenset(leaves)


def merged_hints(libraries: Iterable[str]) -> Hints:
    """Return the hints of some libraries as one."""
    table = _hints()
    found: dict[str, Any] = {}
    lists: dict[str, set[str]] = {"closed": set(), "guess": set()}
    for library in sorted(libraries):
        for key, value in table.get(library, {}).items():
            if key in lists:
                lists[key] |= set(value)
            else:
                found.setdefault(key, {}).update(
                    {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}
                )
    return Hints(**found, closed=frozenset(lists["closed"]), guess=frozenset(lists["guess"]))


@functools.cache
def _hints() -> dict[str, Any]:
    return tomllib.loads((_KNOWLEDGE / "hints.toml").read_text(encoding="utf-8"))


@functools.cache
def common_members() -> frozenset[str]:
    """Return the names of members that classes of Python, its standard library and the known libraries have today."""
    text = (_KNOWLEDGE / "common_members.txt").read_text(encoding="utf-8")
    return frozenset(text.split())
