"""What an expression may stand for, as far as reading a program can say."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

_MIXED = 0.8
"""Factor on the confidence of each possibility where another possibility is unknown."""
_MOST = 4
"""Possibilities that are kept of one expression."""
_CALLS = 8
"""Different things that calls give a parameter, of which no more are kept."""


class AbstractKind(StrEnum):
    """What a value is. Its hash is that of a string, which makes it cheap in the keys of dictionaries."""

    NAME = "name"
    """What a dotted path leads to."""
    INSTANCE = "instance"
    """An instance of the class at a path."""
    METHOD = "method"
    """A member of a class, bound to a receiver (`info`)."""
    FUNCTION = "function"
    """A function of the program itself (`info`)."""
    CLASS = "class"
    """A class of the program itself (`info`)."""
    OBJECT = "object"
    """An instance of a class of the program itself (`info`)."""
    BUILTIN = "builtin"
    """A list, a string or another value of Python's own, from a literal. Of a dictionary, `info` has the keys that are known."""
    MODULE = "module"
    """A module of the project itself; its path is the module's last name."""
    UNKNOWN = "unknown"


class Value(NamedTuple):
    """One possibility; `confidence` goes from 0 to 1."""

    kind: AbstractKind
    path: str = ""
    confidence: float = 1.0
    info: FunctionInfo | ClassInfo | DictInfo | None = None


Values = tuple[Value, ...]
"""All possibilities; empty where no use can follow from the value, such as for None."""
NOTHING: Values = ()
UNKNOWN: Values = (Value(AbstractKind.UNKNOWN),)
BUILTIN: Values = (Value(AbstractKind.BUILTIN),)


@dataclass(eq=False)
class DictInfo:
    """A dictionary of the program: its keys that are constant texts, each with its value where one is known."""

    keys: dict[str, ast.expr | None] = field(default_factory=dict)


@dataclass(eq=False)
class FunctionInfo:
    """A function of the program: what a call of it gives, as far as its body has been read."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    returns: Values = NOTHING
    is_property: bool = False
    has_receiver: bool = False
    """Whether it is a method whose first parameter is the object or class that it is called on."""
    given: dict[str, list[Values]] = field(default_factory=dict)
    """What calls in the program give each parameter; each different one once."""

    def give(self, name: str, values: Values) -> None:
        """Note what a call gives a parameter."""
        known = self.given.setdefault(name, [])
        if values not in known and len(known) < _CALLS:
            known.append(values)


@dataclass(eq=False)
class ClassInfo:
    """A class of the program: its bases, its members, and what its methods assign to `self`."""

    name: str
    bases: Values = NOTHING
    members: dict[str, Values] = field(default_factory=dict)

    def paths(self) -> list[tuple[str, float]]:
        """Return the libraries' classes that it derives from, directly or through the program's own, with confidences."""
        found: list[tuple[str, float]] = []
        for base in self.bases:
            if base.kind is AbstractKind.NAME:
                found.append((base.path, base.confidence))
            elif isinstance(base.info, ClassInfo) and base.info is not self:
                found += base.info.paths()
        return found


def union(*all_values: Values) -> Values:
    """Return what an expression may stand for that is one of several; less confident where one of them is unknown."""
    found: dict[tuple[AbstractKind, str, FunctionInfo | ClassInfo | DictInfo | None], Value] = {}
    has_unknown = False
    for values in all_values:
        for value in values:
            if value.kind is AbstractKind.UNKNOWN:
                has_unknown = True
                continue
            key = (value.kind, value.path, value.info)
            if key not in found or found[key].confidence < value.confidence:
                found[key] = value
    kept = tuple(found.values())[:_MOST]
    return (*weaker(kept, _MIXED), *UNKNOWN) if has_unknown else kept


def merged(first: dict[str, Values], second: dict[str, Values]) -> dict[str, Values]:
    """Return a scope's names after either of two branches; a name that only one branch binds has that value."""
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
    """Return values with their confidence multiplied by a factor."""
    return tuple(
        value if value.kind is AbstractKind.UNKNOWN else value._replace(confidence=value.confidence * factor)
        for value in values
    )
