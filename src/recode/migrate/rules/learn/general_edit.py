"""A pattern with its template, and the checks by which they are a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from recode.migrate.rules.learn.sites import EditSite
from recode.migrate.rules.matching import Bound, filled, gives_twice, is_written, match
from recode.migrate.rules.rule import ValueForm
from recode.migrate.rules.terms import (
    BUILTINS,
    DISPLAYS,
    MANY,
    NAME,
    ONE,
    REST,
    SYMBOL,
    Term,
)


@dataclass(frozen=True)
class GeneralEdit:
    """A pattern and its template; `values` says how the values of some metavariables have to be written."""

    pattern: Term
    template: Term
    values: Mapping[str, ValueForm] = field(default_factory=dict)


KINDS = frozenset({"Tuple", "List", "Dict", "Constant", "Compare", "Subscript"})
"""Kinds of terms that pairs can ask to be kept as they are written (`PairFamily.keeps`)."""


ITEM_METHODS = frozenset({"__getitem__", "__setitem__"})
"""Methods that no program names: `x[key]` calls them."""


class NoPattern(Exception):
    """The edits have no common pattern; never reaches a user as an error."""


def value_forms(edit: GeneralEdit, sites: Sequence[EditSite], fixed: Set[str] = frozenset()) -> dict[str, ValueForm]:
    """Return how values have to be written: as in all edits, where another form may need another edit, or `fixed` says so."""
    bounds = [bound for site in sites if (bound := match(edit.pattern, site.old)) is not None]
    forms: dict[str, ValueForm] = {}
    wrapped = {
        part.value
        for term in edit.template.walk()
        if term.kind in DISPLAYS and term.parts
        for part in term.parts[0].parts
        if part.kind == ONE
    }
    done_once = _is_done_once(edit)
    named = {term.name_variable for term in edit.template.walk()}
    written = [term.value for term in edit.template.walk() if term.kind == ONE]
    repeated = {name for name in written if written.count(name) > 1}
    for name in [name.removeprefix(ONE) for name in edit.pattern.variables() if not name.startswith((MANY, REST))]:
        values = [bound[ONE + name][0] for bound in bounds]
        if name in named:
            forms[name] = "identifier"
        elif name in repeated and all(is_written(value, "name") for value in values):
            forms[name] = "name"
        elif "Constant" in fixed and all(is_written(value, "text") for value in values):
            forms[name] = "text"
        elif "Constant" in fixed and all(is_written(value, "number") for value in values):
            forms[name] = "number"
        elif all(is_written(value, "dictionary") for value in values):
            forms[name] = "dictionary"
        elif not done_once and all(is_written(value, "text") for value in values):
            forms[name] = "text"
        elif name in wrapped and all(is_written(value, "no display") for value in values):
            forms[name] = "no display"
    return forms


# --- whether the result is a rule ---


def names_any(term: Term, names: Set[str]) -> bool:
    """Say whether a term holds a symbol or constant of some name, or a term of some kind."""
    return any(
        part.kind in names or (part.kind in (SYMBOL, "Constant") and part.value.rpartition(".")[2] in names)
        for part in (term.walk() if names else ())
    )


def check_edit(edit: GeneralEdit, sites: Sequence[EditSite], fixed: Set[str] = frozenset()) -> None:
    """Check that the pattern says what it is about, that the template needs nothing else, and that the edits follow.

    Args:
        edit: the pattern and its template.
        sites: the edits that they are of.
        fixed: names that the update is about, and kinds of terms that have to be there.

    Raises:
        NoPattern: one of these does not hold.
    """
    pattern, template = edit.pattern, edit.template
    if pattern.is_variable or pattern == template or not template.variables() <= pattern.variables():
        raise NoPattern
    if not {term.kind for term in pattern.walk()} >= (fixed & KINDS) - {"Constant"}:
        raise NoPattern
    anchored = any(term.kind in ("Attribute", "ClassDef") or "." in term.value for term in _anchors(pattern))
    is_item = pattern.kind == "Subscript" and not ITEM_METHODS.isdisjoint(fixed)
    if not anchored and not is_item and not names_any(pattern, fixed):
        raise NoPattern
    given = {term.value for term in template.parts[0].parts} if template.kind == "Assign" else set()
    given |= {*BUILTINS, *template.fresh_names()}
    if any(term.kind == NAME and term.value not in given for term in template.walk()):
        raise NoPattern
    if any(term.kind == "Call" and term.parts[0].name_variable for term in template.walk()):
        # A text that happens to be a method's name now may have other values that are none.
        raise NoPattern
    dropped = [name for name in pattern.variables() - template.variables() if not name.startswith((MANY, REST))]
    values: dict[str, list[Term]] = {name: [] for name in dropped}
    for site in sites:
        bound = match(pattern, site.old)
        if bound is None or filled(template, bound) != site.new:
            raise NoPattern
        for name in dropped:
            values[name].append(bound[name][0])
    if any(_are_texts(terms) for terms in values.values()) or not _is_done_once(edit):
        raise NoPattern


def _are_texts(terms: Sequence[Term]) -> bool:
    """Say whether dropped values are texts, each of which may mean something else."""
    return all(term.kind == "Constant" and term.value[:1] in "'\"" for term in terms)


def _is_done_once(edit: GeneralEdit) -> bool:
    """Say whether the edit changes nothing where it was made already."""
    fresh = edit.template.fresh_names()
    for part in _swapped_variables(edit.template).walk():
        bound = match(edit.pattern, part, edit.values)
        if bound is None or any(_is_made(terms[0], fresh) for terms in _receiver(edit.pattern, bound)):
            # What the template itself calls a method on is of another class.
            continue
        again = filled(edit.template, bound)
        if again != part and not gives_twice(again):
            return False
    return True


def _is_made(receiver: Term, fresh: Set[str]) -> bool:
    return receiver.kind in ("Call", "Subscript") or (receiver.kind == NAME and receiver.value in fresh)


def _receiver(pattern: Term, bound: Bound) -> list[tuple[Term, ...]]:
    """Return what the object stands for that a pattern's method or attribute belongs to."""
    term = pattern
    while term.kind in ("Expr", "Return", "Assign", "Call", "Attribute"):
        term = term.parts[1 if term.kind == "Assign" else 0]
    return [bound[ONE + term.value]] if term.kind == ONE and term is not pattern else []


def _swapped_variables(term: Term) -> Term:
    """Return a template as a program may hold it, with names for its metavariables."""
    if term.kind == ONE:
        return Term(NAME, term.value)
    parts = tuple(_swapped_variables(part) for part in term.parts if part.kind not in (MANY, REST))
    return replace(term, parts=parts)


def _anchors(pattern: Term) -> Iterator[Term]:
    return (term for term in pattern.walk() if term.kind in ("Attribute", SYMBOL, "ClassDef"))
