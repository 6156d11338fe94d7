"""What an expression may stand for, as far as reading a program tells, and the scopes that names live in."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

ValueKind = Literal["name", "instance", "method", "function", "class", "object", "module", "unknown"]
_MIXED = 0.8
"""How sure one possibility remains where another is not known."""
_MOST = 4
"""Possibilities that are kept of one expression."""


class Value(NamedTuple):
    """One possibility.

    `name` is what a dotted path leads to, `instance` an instance of the class at a path, `method` a member of it bound to a
    receiver; `function`, `class` and `object` are of the program's own (`info`); `module` is a module of the
    program's own, by its last name.
    """

    kind: ValueKind
    path: str = ""
    sure: float = 1.0
    info: FunctionInfo | ClassInfo | None = None


Values = tuple[Value, ...]
"""All possibilities; empty where there is nothing to know, such as for None."""
NOTHING: Values = ()
UNKNOWN: Values = (Value("unknown"),)


@dataclass(eq=False)
class FunctionInfo:
    """A function of the program: what calling it gives, as far as its body was read."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    returns: Values = NOTHING
    is_property: bool = False


@dataclass(eq=False)
class ClassInfo:
    """A class of the program: what it derives from, its members, and what its methods assign to `self`."""

    name: str
    bases: Values = NOTHING
    members: dict[str, Values] = field(default_factory=dict)

    def paths(self) -> list[tuple[str, float]]:
        """Return the foreign classes that it derives from, directly or by way of the program's own."""
        found: list[tuple[str, float]] = []
        for base in self.bases:
            if base.kind == "name":
                found.append((base.path, base.sure))
            elif isinstance(base.info, ClassInfo) and base.info is not self:
                found += base.info.paths()
        return found


@dataclass(eq=False)
class Scope:
    """The names of a module, class or function; `stars` are the modules that everything was imported from."""

    kind: Literal["module", "class", "function"]
    parent: Scope | None = None
    names: dict[str, Values] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    foreign: dict[str, Scope] = field(default_factory=dict)
    """Names that `global` and `nonlocal` send to another scope."""
    info: FunctionInfo | ClassInfo | None = None
    flags: set[str] = field(default_factory=set)
    """Names of this scope that were computed from releases (`guards.py`)."""

    def lookup(self, name: str) -> Values | None:
        """Return what a name stands for; None where no scope has it."""
        owner = self.owner(name)
        return owner.names[name] if owner is not None else None

    def owner(self, name: str) -> Scope | None:
        """Return the scope whose name is meant; None where no scope has it."""
        scope: Scope | None = self
        is_own = True
        while scope is not None:
            # A class's names are not seen from within its functions.
            if (is_own or scope.kind != "class") and name in scope.names:
                return scope
            scope, is_own = scope.parent, False
        return None

    def assign(self, name: str, values: Values) -> None:
        """Bind a name."""
        self.foreign.get(name, self).names[name] = values

    def flag(self, name: str) -> None:
        """Note that a name bound here is computed from releases."""
        self.foreign.get(name, self).flags.add(name)

    def is_flag(self, name: str) -> bool:
        """Say whether a name is one that was computed from releases; one of an inner scope hides another's."""
        owner = self.owner(name)
        return owner is not None and name in owner.flags

    def module(self) -> Scope:
        """Return the scope around all."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


def union(*all_values: Values) -> Values:
    """Return what an expression may stand for that is one of several; less sure where one of them is not known."""
    found: dict[tuple[str, str, int], Value] = {}
    unknown = False
    for values in all_values:
        for value in values:
            if value.kind == "unknown":
                unknown = True
                continue
            key = (value.kind, value.path, id(value.info))
            if key not in found or found[key].sure < value.sure:
                found[key] = value
    kept = list(found.values())[:_MOST]
    if not unknown:
        return tuple(kept)
    return (*(value._replace(sure=value.sure * _MIXED) for value in kept), *UNKNOWN)


def merged(first: dict[str, Values], second: dict[str, Values]) -> dict[str, Values]:
    """Return a scope's names after either of two branches; a name that only one binds has that value."""
    if first is second:
        return first
    both = dict(first)
    for name, values in second.items():
        mine = both.get(name)
        if mine is None:
            both[name] = values
        elif mine is not values and mine != values:
            both[name] = union(mine, values)
    return both


def weaker(values: Values, factor: float) -> Values:
    """Return the same possibilities, less sure."""
    return tuple(value._replace(sure=value.sure * factor) if value.kind != "unknown" else value for value in values)
