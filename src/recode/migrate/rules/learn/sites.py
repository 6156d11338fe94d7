"""Where two programs differ: the smallest calls, attributes, statements or decorators that an edit replaces."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from recode.migrate.rules.terms import ASSIGNMENTS, DECORATORS, KEYWORDS, LIST, SYMBOL, Term, parameters

_UNITS = frozenset({"Call", "Attribute", "Subscript", "BinOp", "UnaryOp", "Compare", SYMBOL, "ClassDef"})
_STATEMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return, ast.ClassDef, ast.Delete, ast.Assert)
"""Statements that an edit may replace as a whole; of a class, only one whose body does nothing but assign names."""
_IMPORTS = frozenset({"Import", "ImportFrom"})


@dataclass(frozen=True)
class EditSite:
    """A term of the old program and what stands in its place in the new one.

    Attributes:
        old: the smallest term that the edit replaces.
        new: what stands in its place.
        around: the calls around it that could be replaced as a whole, from the inside, for edits that need something from them.
    """

    old: Term
    new: Term
    around: tuple[EditSite, ...] = ()


class TooDifferent(Exception):
    """The programs differ in more than places that can be named; never reaches a user as an error."""


def edit_sites(old: Term, new: Term) -> list[EditSite]:
    """Return the places at which two programs (terms of modules) differ, apart from their imports.

    Raises:
        TooDifferent: some difference has no smallest place.
    """
    sites = _differences(_without_imports(old), _without_imports(new))
    if any(site.old.kind in ("Module", LIST, KEYWORDS) for site in sites):
        raise TooDifferent
    return sites


def _without_imports(term: Term) -> Term:
    if term.kind in _IMPORTS:
        return term
    parts = [_without_imports(part) for part in term.parts]
    if term.kind == LIST:
        parts = [part for part in parts if part.kind not in _IMPORTS]
    return Term(term.kind, term.value, tuple(parts), term.node)


def _differences(old: Term, new: Term) -> list[EditSite]:
    """Return the sites below two terms; the terms themselves where the difference is theirs."""
    if old == new:
        return []
    whole = [EditSite(old, new)]
    if (old.kind, old.value) != (new.kind, new.value):
        return whole
    if len(old.parts) != len(new.parts):
        return whole
    found: list[EditSite] = []
    for number, (before, after) in enumerate(zip(old.parts, new.parts, strict=True)):
        if _is_decorators(old, number):
            found += _of_decorators(old, before, after)
            continue
        inner = _differences(before, after)
        if any(site.old is before and not _stands_alone(site) for site in inner):
            # The part cannot be replaced by itself, so the whole is.
            return whole
        found += inner
    direct = [site for site in found if any(site.old is part for part in old.parts)]
    if len(direct) > 1 and old.kind == "Call":
        return whole
    if found and old.kind == "Call" and _stands_alone(whole[0]):
        found = [replace(site, around=(*site.around, whole[0])) for site in found]
    return found


def _stands_alone(site: EditSite) -> bool:
    """Say whether a difference is an edit by itself: of a call, attribute or statement that does not remain within the new one."""
    old, new = site.old, site.new
    if isinstance(old.node, ast.stmt):
        plain = old.kind != "ClassDef" or any(part.kind == ASSIGNMENTS for part in old.parts)
        return plain and isinstance(old.node, _STATEMENTS) and isinstance(new.node, ast.stmt)
    if old.kind == DECORATORS:
        return True
    return old.kind in _UNITS and all(part != old for part in new.walk())


def _is_decorators(term: Term, number: int) -> bool:
    return (
        isinstance(term.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and _field(term, number) == "decorator_list"
    )


def _field(term: Term, number: int) -> str:
    names = [
        name
        for name in type(term.node)._fields  # type: ignore[union-attr]
        if name not in ("name", "type_comment", "type_params")
    ]
    return names[number]


def _of_decorators(definition: Term, old: Term, new: Term) -> list[EditSite]:
    """Return the site of the decorators that differ, without those that both have around them."""
    before, after = _between(old.parts, new.parts)
    if not before and not after:
        return []
    if len(before) == len(after):
        return [site for one, other in zip(before, after, strict=True) for site in _differences(one, other)]
    if not before:
        return [EditSite(Term(LIST), Term(LIST))]
    return [EditSite(Term(DECORATORS, parameters(definition.node), before), Term(DECORATORS, "", after))]


def _between(old: Sequence[Term], new: Sequence[Term]) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return tuple(old[start : len(old) - end]), tuple(new[start : len(new) - end])
