"""Updates, indexed for finding their uses: by name, by the member of a class, and by the function whose parameter changed."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from packaging.version import Version

from recode.knowledge.hints import Hints, common_members, merged_hints, release_names
from recode.knowledge.model import Shape
from recode.knowledge.versions import status_at
from recode.records import ApiUpdate, Status
from recode.symbol import Symbol

PYTHON = "python"
"""The library whose packages are the modules of Python's own standard library."""
_CALLS = frozenset({"parameter_renamed", "parameter_removed", "parameter_added", "keyword_only"})
_PYTHON_2 = frozenset({"iteritems", "iterkeys", "itervalues", "has_key"})
"""Members that dictionaries had in Python 2; programs for both versions still mention them."""
_UNSURE = {"default_changed": 0.3, "return_changed": 0.3, "parameter_added": 0.2}
"""Kinds of updates that do not concern most uses of the symbol, and the factor on a use's confidence."""


@dataclass(frozen=True)
class Entry:
    """An update as it applies at the target release."""

    update: ApiUpdate
    symbol: Symbol
    status: Status
    since: str
    factor: float = 1.0


@dataclass
class Index:
    """Everything that finding looks up. Paths are those of the updates, and their aliases."""

    names: dict[str, list[Entry]] = field(default_factory=dict)
    """Path → updates about the name itself."""
    calls: dict[str, list[Entry]] = field(default_factory=dict)
    """Path of a callable → updates about its parameters."""
    members: dict[str, list[str]] = field(default_factory=dict)
    """Last part of a path → the paths of class members that end in it."""
    packages: frozenset[str] = frozenset()
    release_names: re.Pattern[str] = field(default_factory=lambda: release_names(()))
    """Names of variables that hold the release of one of the packages, or a comparison of it."""
    changed: frozenset[str] = frozenset()
    """The names that updates remove or add, whether in effect at the target release or not."""
    aliases: dict[str, str] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    positional: dict[str, int] = field(default_factory=dict)
    returns: dict[str, str] = field(default_factory=dict)
    keeps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hints: Hints = field(default_factory=Hints)
    given: frozenset[str] = frozenset()
    """Paths that something is known to return or hold: classes, whatever their spelling."""
    common: frozenset[str] = frozenset()
    """Names of members that so many classes have that the name says nothing about its owner."""
    likely: frozenset[str] = frozenset()
    """Classes that variables are habitually named after; an unknown object is most likely one of them."""
    telling: frozenset[str] = frozenset()
    """Members recognized by name alone even in files that do not import the library, if other files of the project do."""
    evident: dict[str, str] = field(default_factory=dict)
    """Members that only one library's objects have → the path of the class's member: `x.set_index()` shows that `x` is a frame."""
    exports: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the project's own modules re-export, and its classes that derive from those of libraries (`project/own_modules.py`)."""
    leaves: frozenset[str] = frozenset()
    """A file is worth parsing only if it holds one of these words."""

    def canonical(self, path: str) -> str:
        """Return the best public path of what a path leads to."""
        return self.aliases.get(path, path)

    def last_parts(self, path: str) -> frozenset[str]:
        """Return the last parts of a path and of everything that leads to it; a program that uses it holds one of them."""
        return self._last_parts.get(path, frozenset()) | {path.rpartition(".")[2]}

    @functools.cached_property
    def _last_parts(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for alias, path in self.aliases.items():
            found.setdefault(path, set()).add(alias.rpartition(".")[2])
        return {path: frozenset(parts) for path, parts in found.items()}

    def bases(self, path: str) -> tuple[str, ...]:
        """Return a class and its bases, in method resolution order."""
        return (path, *self.classes.get(path, ()))

    def lost(self, cls: str, leaf: str, table: dict[str, list[Entry]]) -> str | None:
        """Return the path in a table of updates that a member of a class belongs to; None where the class still has the member."""
        if leaf in self.keeps.get(cls, ()) and f"{cls}.{leaf}" not in table:
            return None
        return next((path for base in self.bases(cls) if (path := f"{base}.{leaf}") in table), None)

    def is_class(self, path: str) -> bool:
        """Say whether a path leads to a class; where that is unknown, by its capital letter."""
        return (
            path in self.classes
            or path in self.given
            or (path.rpartition(".")[2][:1].isupper() and path not in self.returns)
        )


def build_index(
    updates: Iterable[ApiUpdate],
    shapes: Sequence[Shape],
    target: Version | None = None,
    start: Version | None = None,
    *,
    undated: bool = False,
) -> Index:
    """Index the updates in effect at the target release (None: each update's newer release); `undated` as for `status_at`."""
    names: dict[str, list[Entry]] = defaultdict(list)
    calls: dict[str, list[Entry]] = defaultdict(list)
    libraries, packages = set(), {package for shape in shapes for package in shape.packages}
    updates = list(updates)
    for update in updates:
        symbol = update.old_symbol
        found = status_at(update, target, start, undated=undated)
        if not symbol.path or found is None or update.kind == "no_op":
            continue
        libraries.add(update.library)
        packages.add(symbol.package)
        is_call = bool(symbol.arguments) or update.kind in _CALLS
        unsure = not symbol.has_values and (update.kind != "parameter_added" or not symbol.parameters)
        factor = _UNSURE.get(update.kind, 1.0) if unsure else 1.0
        # Two sources may report one change: the first counts, as sources are sorted by quality.
        rows = (calls if is_call else names)[symbol.path]
        if not any(_same(entry, symbol) for entry in rows):
            rows.append(Entry(update, symbol, *found, factor))
    hints = merged_hints(libraries)
    index = Index(dict(names), dict(calls), packages=frozenset(packages), hints=hints)
    # Python's modules have names such as `re` and `time`, which variables of any meaning have, too.
    index.release_names = release_names(packages if PYTHON not in libraries else {PYTHON, "py"})
    index.changed = frozenset(name for update in updates for name in (update.old_symbol, update.new_symbol) if name)
    for shape in shapes:
        index.aliases |= shape.aliases
        index.classes |= shape.classes
        index.parameters |= shape.parameters
        index.positional |= shape.positional
        index.returns |= shape.returns
        index.keeps |= shape.keeps
    for update in updates:
        if update.kind == "moved":
            # The new path is right, whatever else it was an alias of.
            index.aliases.pop(update.new_symbol.path, None)
    index.returns |= hints.returns
    index.aliases |= hints.aliases
    index.classes |= hints.classes
    index.evident = {path.rpartition(".")[2]: path for path in sorted(hints.evident)}
    index.given = frozenset(index.returns.values())
    # Some class still having a member of Python 2's dictionaries says nothing about another owner.
    index.common = common_members() - _PYTHON_2
    index.likely = frozenset([*hints.names.values(), *hints.suffixes.values()])
    _fill_members(index)
    return index


def telling_members(index: Index) -> frozenset[str]:
    """Return the names of removed members that only one likely class had, and no other class has."""
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
