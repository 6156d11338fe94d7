"""Statements: what a message, a release note or the interpreter says about a name of the public API.

A statement is kept only if its subject is a public name of the old release, or a parameter of one. What it says to use instead is looked up in
the new release, and kept as written where it is not found there.
"""

from __future__ import annotations

import builtins
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from recode.collect.join.lookup import TOKEN, NameLookup, parameters_of
from recode.collect.texts.wording import Verb
from recode.records import Evidence
from recode.symbol import is_path

PARAMETER_NOUN = r"(?:keyword[- ]?)?(?:arguments?|args?|parameters?|params?|keywords?|kwargs?|options?|flags?)"
VALUE = re.compile(r"(\w+)\s*=.*", re.DOTALL)
"""A parameter with a value: `axis=0`."""
_HEAD = re.compile(r"-?([A-Za-z_]\w*\.[\w.]*\w)")


class Origin(enum.Enum):
    """Where a statement comes from."""

    PROBE = enum.auto()
    """What the new release's interpreter raises or warns of when a program uses the name."""
    MESSAGE = enum.auto()
    NOTE = enum.auto()


@dataclass(frozen=True)
class Replacement:
    """What to use instead: a path, or parameters of one; `resolved` says whether the new release has it."""

    path: str = ""
    parameters: tuple[str, ...] = ()
    resolved: bool = False

    def __bool__(self) -> bool:
        """Say whether anything is named."""
        return bool(self.path or self.parameters)


@dataclass(frozen=True)
class Statement:
    """What one text says about a public name (`path`), or about some of its parameters.

    `in_new` says whether a message is in the new release's own sources, `in_old` whether it was in the old release's already.
    `explicit` is False where a sentence mentions the name without plainly being about it.
    """

    verb: Verb
    path: str
    parameters: tuple[str, ...]
    evidence: Evidence
    replacement: Replacement = Replacement()
    deprecated_in: str = ""
    removed_in: str = ""
    in_new: bool = False
    in_old: bool = False
    explicit: bool = True
    origin: Origin = Origin.MESSAGE


def find_replacement(
    candidates: Sequence[str], path: str, parameters: tuple[str, ...], lookup: NameLookup
) -> Replacement:
    """Look up the names that a text says to use instead.

    Returns:
        the first that fits: a parameter of the same callable, a public name of the new release, a member of the old one's
        class; otherwise the first one that is code, as written.
    """
    return (
        _parameter(candidates, path, parameters, lookup)
        or _public_name(candidates, path, lookup)
        or (Replacement() if parameters else _sibling(candidates, path, lookup) or _as_written(candidates))
    )


def _parameter(
    candidates: Sequence[str], path: str, parameters: tuple[str, ...], lookup: NameLookup
) -> Replacement | None:
    """Return another parameter of the callable, where the statement is about parameters."""
    after = parameters_of(lookup.new, path)
    for name in candidates if parameters else ():
        if match := TOKEN.fullmatch(name):
            word = value.group(1) if (value := VALUE.fullmatch(name)) else match.group(1)
            if word in after and word not in parameters:
                return Replacement(path, (word,), True)
    return None


def _public_name(candidates: Sequence[str], path: str, lookup: NameLookup) -> Replacement | None:
    """Return a parameter given with a value, or a public name of the new release."""
    after = parameters_of(lookup.new, path)
    for name in candidates:
        if (value := VALUE.fullmatch(name)) and value.group(1) in after:
            return Replacement(path, (value.group(1),), True)
        # For an expression such as `-np.inf` or `np.dtype(obj).type`, the name that it begins with.
        head = _HEAD.match(name)
        token = head.group(1) if head and not TOKEN.fullmatch(name) else name
        found = lookup.find(lookup.new, token, [path], by_owner=False)
        if found and found != path:
            return Replacement(found, (), True)
    return None


def _sibling(candidates: Sequence[str], path: str, lookup: NameLookup) -> Replacement | None:
    """Return a member of the same class that a text names by an instance: `img.affine` for `Image.get_affine`."""
    owner = path.rpartition(".")[0]
    for name in candidates:
        instance, _, leaf = name.rpartition(".")
        if instance.isidentifier() and (found := lookup.find(lookup.new, f"{owner}.{leaf}")):
            return Replacement(found, (), True)
    return None


def _as_written(candidates: Sequence[str]) -> Replacement:
    """Return the first candidate that is code: a dotted name, a call, or a built-in function."""
    for name in candidates:
        match = TOKEN.fullmatch(name)
        if match and ("." in match.group(1) or match.group(2) is not None) and is_path(match.group(1)):
            return Replacement(match.group(1))
        if match and callable(getattr(builtins, name, None)):
            return Replacement(name)
    return Replacement()
