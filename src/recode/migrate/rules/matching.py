"""Matching a pattern against a term of a program."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from recode.migrate.rules.terms import ASSIGNMENTS, KEYWORDS, LIST, MANY, NAME, NOTHING, ONE, REST, SYMBOL, VALUE, Term

Bound = Mapping[str, tuple[Term, ...]]
"""What each metavariable stands for: one term, or the terms of a sequence."""
_NO_EXPRESSIONS = frozenset({LIST, KEYWORDS, ASSIGNMENTS, NOTHING, VALUE, "Starred", "keyword"})


_DISPLAYS = frozenset({"List", "Tuple", "Set", "Dict", "ListComp", "SetComp", "DictComp", "GeneratorExp"})


def match(pattern: Term, term: Term, values: Mapping[str, str] = MappingProxyType({})) -> Bound | None:
    """Return what the metavariables of a pattern stand for in a term; None where the pattern does not match.

    Args:
        pattern: the pattern.
        term: what it is matched with.
        values: how the values of some metavariables have to be written (`rule.ValueForm`).
    """
    bound: dict[str, tuple[Term, ...]] = {}
    if not _matches(pattern, term, bound):
        return None
    return bound if all(is_written(bound[ONE + name][0], form) for name, form in values.items()) else None


def is_written(term: Term, form: str) -> bool:
    """Say whether a value is written in some form."""
    if form == "text":
        return term.kind == "JoinedStr" or (term.kind == "Constant" and term.value[:1] in "'\"")
    if form == "dictionary":
        return term.kind == "Dict"
    if form == "name":
        return term.kind in (NAME, SYMBOL, "Constant") or (term.kind == "Attribute" and is_written(term.parts[0], form))
    if form == "number":
        return term.kind == "Constant" and term.value[:1].isdigit()
    if form == "identifier":
        return name_in_text(term) != ""
    return term.kind not in _DISPLAYS


def name_in_text(term: Term) -> str:
    """Return the name that a literal text is; empty where it is none."""
    value = ast.literal_eval(term.value) if term.kind == "Constant" and term.value[:1] in "'\"" else ""
    return value if value.isidentifier() and not keyword.iskeyword(value) else ""


def _matches(pattern: Term, term: Term, bound: dict[str, tuple[Term, ...]]) -> bool:
    if pattern.kind == ONE:
        return term.kind not in _NO_EXPRESSIONS and _bind(pattern, (term,), bound)
    if pattern.kind != term.kind or pattern.value != term.value:
        return False
    if pattern.kind in (KEYWORDS, ASSIGNMENTS):
        return _set_matches(pattern, term, bound)
    if pattern.kind == LIST:
        return _list_matches(pattern.parts, term.parts, bound)
    return len(pattern.parts) == len(term.parts) and all(
        _matches(one, other, bound) for one, other in zip(pattern.parts, term.parts, strict=True)
    )


def _bind(variable: Term, terms: tuple[Term, ...], bound: dict[str, tuple[Term, ...]]) -> bool:
    return bound.setdefault(variable.kind + variable.value, terms) == terms


def _list_matches(patterns: tuple[Term, ...], terms: tuple[Term, ...], bound: dict[str, tuple[Term, ...]]) -> bool:
    many = next((number for number, one in enumerate(patterns) if one.kind == MANY), None)
    if many is None:
        return len(patterns) == len(terms) and all(
            _matches(one, other, bound) for one, other in zip(patterns, terms, strict=True)
        )
    after = len(patterns) - many - 1
    if len(terms) < many + after:
        return False
    end = len(terms) - after
    return (
        _list_matches(patterns[:many], terms[:many], bound)
        and _list_matches(patterns[many + 1 :], terms[end:], bound)
        and _bind(patterns[many], terms[many:end], bound)
    )


def _set_matches(pattern: Term, term: Term, bound: dict[str, tuple[Term, ...]]) -> bool:
    """Match keywords by name, in any order."""
    given = {one.value: one for one in term.parts}
    if "**" in given or len(given) != len(term.parts):
        # What is in it cannot be seen.
        return False
    rest = None
    for one in pattern.parts:
        if one.kind == REST:
            rest = one
        elif one.value not in given or not _matches(one, given.pop(one.value), bound):
            return False
    if rest is None:
        return not given
    return _bind(rest, tuple(given.values()), bound)


def filled(template: Term, bound: Bound) -> Term:
    """Return a template with its metavariables replaced by what a match bound them to."""
    if template.kind == ONE:
        return bound[ONE + template.value][0]
    if name := template.name_variable:
        template = replace(template, value=name_in_text(bound[ONE + name][0]))
    parts: list[Term] = []
    for part in template.parts:
        if part.kind in (MANY, REST):
            parts += bound[part.kind + part.value]
        else:
            parts.append(filled(part, bound))
    if template.kind in (KEYWORDS, ASSIGNMENTS):
        parts.sort(key=lambda part: part.value)
    return replace(template, parts=tuple(parts))


def gives_twice(term: Term) -> bool:
    """Say whether a call in a term gives one keyword twice; such an edit is refused."""
    names = [[part.value for part in one.parts] for one in term.walk() if one.kind == KEYWORDS]
    return any(len(set(one)) < len(one) for one in names)
