"""Edits of several programs → one pattern and its template, by anti-unification.

What differs between the edits, and what an edit keeps, becomes a metavariable. What all edits take away or add remains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace

from recode.migrate.rules.learn.general_edit import KINDS, GeneralEdit, NoPattern, check_edit, names_any, value_forms
from recode.migrate.rules.learn.sites import EditSite
from recode.migrate.rules.terms import (
    ASSIGNMENTS,
    BUILTINS,
    DECORATORS,
    DISPLAYS,
    KEYWORDS,
    LIST,
    MANY,
    NAME,
    ONE,
    REST,
    SYMBOL,
    VALUE,
    Term,
    is_statement,
    name_as_variable,
)

_SPLITS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1))
"""Elements before and after a `$*` that stay single, the most general first."""
_CONTAINERS = frozenset({KEYWORDS, ASSIGNMENTS})
_KEPT = frozenset({"Constant", NAME, SYMBOL, "Attribute", "Call", "Subscript", "List", "Tuple", "Set", "Dict", "BinOp", "UnaryOp",
                   "Compare", "Lambda", "JoinedStr", "ListComp", "GeneratorExp", "DictComp", "SetComp", "IfExp", "BoolOp"})  # fmt: skip
"""Kinds of terms that a `$x` may stand for."""


def generalise(sites: Sequence[EditSite], fixed: Set[str] = frozenset()) -> GeneralEdit:
    """Return the pattern and template of some edits.

    Args:
        sites: the edits.
        fixed: names and keywords that the update is about, which have to be there.

    Raises:
        NoPattern: they have none in common.
    """
    for split, apart in [*((split, False) for split in _SPLITS), (_SPLITS[0], True)]:
        table = _Table(split, fixed, apart)
        try:
            pattern = _unify([site.old for site in sites], table, closed=False)
            template = _unify([site.new for site in sites], table, closed=True)
            edit = _with_variables(GeneralEdit(pattern, template), table)
            if not edit.template.variables() <= edit.pattern.variables():
                continue
            edit = replace(edit, values=value_forms(edit, sites, fixed))
            check_edit(edit, sites, fixed)
        except NoPattern:
            continue
        return edit
    raise NoPattern


@dataclass
class _Table:
    """The metavariables so far, by what they stand for in each edit."""

    split: tuple[int, int] = (0, 0)
    fixed: Set[str] = frozenset()
    apart: bool = False
    """Whether a name that the template needs by itself stays out of what larger metavariables stand for."""
    names: dict[tuple[str, tuple[object, ...]], str] = field(default_factory=dict)

    def variable(self, kind: str, meanings: tuple[object, ...], *, closed: bool) -> Term:
        key = (kind, meanings)
        if key not in self.names:
            if closed:
                raise NoPattern
            self.names[key] = self.fresh(kind)
        return Term(kind, self.names[key])

    def text_of(self, names: Sequence[str]) -> str:
        """Return the metavariable that stands for names as literal texts; empty if there is none."""
        return self.names.get((ONE, tuple(Term("Constant", repr(name)) for name in names)), "")

    def fresh(self, kind: str) -> str:
        word = {ONE: "x", MANY: "items", REST: "rest"}[kind]
        taken = {name for (other, _), name in self.names.items() if other == kind}
        number = 1
        while (name := f"{word}{'' if number == 1 else number}") in taken:
            number += 1
        return name


# --- what differs between the edits ---


def _unify(terms: Sequence[Term], table: _Table, *, closed: bool) -> Term:
    first = terms[0]
    if all(term == first for term in terms):
        return first
    alike = all((term.kind, term.value) == (first.kind, first.value) for term in terms)
    if alike and first.kind in _CONTAINERS:
        return _unify_sets(terms, table, closed=closed)
    if alike and len({len(term.parts) for term in terms}) == 1 and first.parts and first.kind != "JoinedStr":
        return _of_parts(terms, table, closed=closed)
    if alike and first.kind == LIST:
        return _unify_lists(terms, table, closed=closed)
    if (
        closed
        and (name := table.text_of([term.value for term in terms]))
        and all(term.kind == "Attribute" for term in terms)
    ):
        owner = _unify([term.parts[0] for term in terms], table, closed=closed)
        return Term("Attribute", name_as_variable(name), (owner,))
    if all(term.kind in _KEPT for term in terms):
        return table.variable(ONE, tuple(terms), closed=closed)
    raise NoPattern


def _of_parts(terms: Sequence[Term], table: _Table, *, closed: bool) -> Term:
    try:
        known = dict(table.names)
        parts = [_unify(parts, table, closed=closed) for parts in zip(*[term.parts for term in terms], strict=True)]
        return Term(terms[0].kind, terms[0].value, tuple(parts), terms[0].node)
    except NoPattern:
        table.names = known
        if all(term.kind in _KEPT for term in terms):
            return table.variable(ONE, tuple(terms), closed=closed)
        raise


def _unify_lists(terms: Sequence[Term], table: _Table, *, closed: bool) -> Term:
    shortest = min(len(term.parts) for term in terms)
    options = [table.split] if not closed else [(p, s) for p in range(shortest + 1) for s in range(shortest + 1 - p)]
    for before, after in options:
        if before + after > shortest:
            continue
        known = dict(table.names)
        try:
            ends = [len(term.parts) - after for term in terms]
            head = [_unify([term.parts[n] for term in terms], table, closed=closed) for n in range(before)]
            middle = tuple(term.parts[before:end] for term, end in zip(terms, ends, strict=True))
            many = table.variable(MANY, middle, closed=closed)
            tail = [
                _unify([term.parts[end + n] for term, end in zip(terms, ends, strict=True)], table, closed=closed)
                for n in range(after)
            ]
            return Term(LIST, "", (*head, many, *tail))
        except NoPattern:
            table.names = known
    raise NoPattern


def _unify_sets(terms: Sequence[Term], table: _Table, *, closed: bool) -> Term:
    given = [{part.value: part for part in term.parts} for term in terms]
    common = [name for name in given[0] if all(name in one for one in given)]
    parts = [_unify([one[name] for one in given], table, closed=closed) for name in common]
    rest = tuple(tuple(part for name, part in one.items() if name not in common) for one in given)
    if any(rest):
        parts.append(table.variable(REST, rest, closed=closed))
    return Term(terms[0].kind, terms[0].value, tuple(parts))


# --- what an edit keeps ---


def _with_variables(edit: GeneralEdit, table: _Table) -> GeneralEdit:
    """Replace what pattern and template share by metavariables."""
    if is_statement(edit.pattern):
        edit = _with_arguments(edit, table)
    edit = _with_named_attributes(_with_rest(edit, table), table)
    edit = _with_sequences(_with_positions(edit, table), table)
    for kept in sorted(_shared(edit, table), key=lambda term: -sum(1 for _ in term.walk())):
        variable = Term(ONE, table.fresh(ONE))
        table.names[ONE, (variable,)] = variable.value
        edit = GeneralEdit(_replaced(edit.pattern, kept, variable), _replaced(edit.template, kept, variable))
    return _without_names(_without_dropped_displays(edit, table), table)


def _with_arguments(edit: GeneralEdit, table: _Table) -> GeneralEdit:
    """Let the arguments of a call within a statement pass that the template's call of that name has, too; the first may differ."""
    for call in [term for term in edit.pattern.walk() if _callee(term) and term.parts[1].parts]:
        for target in [term for term in edit.template.walk() if _callee(term) == _callee(call)]:
            given, kept = call.parts[1].parts, target.parts[1].parts
            first = 0 if given == kept else 1
            same = len(given) == len(kept) and given[first:] == kept[first:]
            keywords = set(call.parts[2].parts) & set(target.parts[2].parts)
            if not same or any(part.is_variable for part in (*given, *call.parts[2].parts)):
                continue
            many, rest = Term(MANY, table.fresh(MANY)), Term(REST, table.fresh(REST))
            table.names |= {(MANY, (many,)): many.value, (REST, (rest,)): rest.value}
            passed = [
                replace(
                    one,
                    parts=(
                        one.parts[0],
                        replace(one.parts[1], parts=(*one.parts[1].parts[:first], many)),
                        _passing(one.parts[2], keywords, rest),
                    ),
                )
                for one in (call, target)
            ]
            return GeneralEdit(
                _with_parts(edit.pattern, call, passed[0]), _with_parts(edit.template, target, passed[1])
            )
    return edit


def _with_named_attributes(edit: GeneralEdit, table: _Table) -> GeneralEdit:
    """Let a literal text pass that the template has as the name of an attribute: `join("books")` → `join(Author.books)`."""
    called = [term.parts[0] for term in edit.template.walk() if term.kind == "Call"]
    plain = [term for term in edit.template.walk() if term.kind == "Attribute" and not term.name_variable]
    for attribute in [term for term in plain if all(term is not one for one in called)]:
        text = Term("Constant", repr(attribute.value))
        if text in edit.pattern.walk() and text not in edit.template.walk():
            name = table.fresh(ONE)
            table.names[ONE, (text,)] = name
            named = replace(attribute, value=name_as_variable(name))
            edit = GeneralEdit(
                _swapped(edit.pattern, text, Term(ONE, name)), _with_parts(edit.template, attribute, named)
            )
    return edit


def _without_dropped_displays(edit: GeneralEdit, table: _Table) -> GeneralEdit:
    """Let a keyword have any value that is dropped and only lists constants."""
    for keyword in [term for term in edit.pattern.walk() if term.kind == "keyword" and term.parts]:
        value = keyword.parts[0]
        constant = all(term.kind not in (NAME, SYMBOL, "Call") and not term.is_variable for term in value.walk())
        if value.kind in (*DISPLAYS, "Dict") and constant:
            variable = Term(ONE, table.fresh(ONE))
            table.names[ONE, (variable,)] = variable.value
            edit = GeneralEdit(_with_parts(edit.pattern, value, variable), edit.template)
    return edit


def _with_rest(edit: GeneralEdit, table: _Table) -> GeneralEdit:
    """Let further keywords pass from the call of the pattern to the call of the template."""
    mine = next(iter(_containers(edit.pattern)), None)
    theirs = _containers(edit.template)
    if mine is None or not theirs:
        return edit
    passing = {part for part in mine.parts if part.value not in table.fixed}
    # They belong to the call of the same name, if the template has one.
    same = [call.parts[2] for call in edit.template.walk() if _callee(call) and _callee(call) == _callee(edit.pattern)]
    target = max(same or theirs, key=lambda term: len(set(term.parts) & passing))
    shared = passing & set(target.parts)
    same_unit = edit.pattern.kind == edit.template.kind or edit.pattern.kind == "ClassDef"
    if not shared and not same_unit:
        return edit
    rest = next((part for part in mine.parts if part.kind == REST), None)
    if rest is None:
        rest = Term(REST, table.fresh(REST))
        table.names[REST, (rest,)] = rest.value
    return GeneralEdit(
        _with_parts(edit.pattern, mine, _passing(mine, shared, rest)),
        _with_parts(edit.template, target, _passing(target, shared, rest)),
    )


def _containers(term: Term) -> list[Term]:
    """Return the sets of keywords in a term, its own first."""
    own = sorted((part for part in term.parts if part.kind in _CONTAINERS), key=lambda part: part.kind)
    return own + [inner for inner in term.walk() if inner.kind in _CONTAINERS and all(inner is not one for one in own)]


def _callee(term: Term) -> str:
    """Return the last name of what a call calls; empty for other terms."""
    if term.kind != "Call" or term.parts[2].kind != KEYWORDS:
        return ""
    return term.parts[0].value.rpartition(".")[2]


def _passing(container: Term, shared: set[Term], rest: Term) -> Term:
    own = tuple(part for part in container.parts if part not in shared and part != rest)
    return replace(container, parts=(*own, rest))


def _with_parts(term: Term, old: Term, new: Term) -> Term:
    """Replace the first occurrence of one very term."""
    if term is old:
        return new
    parts = list(term.parts)
    for number, part in enumerate(parts):
        changed = _with_parts(part, old, new)
        if changed is not part:
            parts[number] = changed
            return replace(term, parts=tuple(parts))
    return term


def _with_positions(edit: GeneralEdit, table: _Table) -> GeneralEdit:
    """Let positional arguments pass that the edit does not concern: the last ones of a call that only changes keywords or the first."""
    mine, theirs = _call(edit.pattern), _call(edit.template)
    if mine is None or theirs is None or len(_names(theirs)) > len(_names(mine)):
        return edit
    before, after = mine.parts[1], theirs.parts[1]
    if len(before.parts) != len(after.parts) or any(part.kind == MANY for part in (*before.parts, *after.parts)):
        return edit
    same = 0
    while same < len(before.parts) and _passes(before.parts[-1 - same], after.parts[-1 - same], table.fixed):
        same += 1
    if same < len(before.parts) - 1:
        return edit
    many = Term(MANY, table.fresh(MANY))
    table.names[MANY, (many,)] = many.value
    kept = len(before.parts) - same
    return GeneralEdit(
        _with_parts(edit.pattern, before, replace(before, parts=(*before.parts[:kept], many))),
        _with_parts(edit.template, after, replace(after, parts=(*after.parts[:kept], many))),
    )


def _passes(before: Term, after: Term, fixed: Set[str]) -> bool:
    return before == after and before.kind not in fixed & KINDS


def _call(term: Term) -> Term | None:
    """Return the call that a term is, or that its first decorator is."""
    term = term.parts[0] if term.kind == DECORATORS else term
    return term if term.kind == "Call" else None


def _names(call: Term) -> list[str]:
    return [part.value for part in call.parts[2].parts if part.kind == "keyword"]


def _with_sequences(edit: GeneralEdit, table: _Table) -> GeneralEdit:
    """Let a list display of any length pass whose elements stand elsewhere in the template."""
    for display in list(edit.pattern.walk()):
        if display.kind not in DISPLAYS or not display.parts or any(term == display for term in edit.template.walk()):
            continue
        elements = display.parts[0]
        if not elements.parts or any(part.kind == MANY for part in elements.parts):
            continue
        for target in edit.template.walk():
            at = _position(elements.parts, target.parts) if target.kind == LIST else None
            if at is not None:
                many = Term(MANY, table.fresh(MANY))
                table.names[MANY, (many,)] = many.value
                after = at + len(elements.parts)
                rest = replace(target, parts=(*target.parts[:at], many, *target.parts[after:]))
                edit = GeneralEdit(
                    _with_parts(edit.pattern, elements, replace(elements, parts=(many,))),
                    _with_parts(edit.template, target, rest),
                )
                break
    return edit


def _position(parts: Sequence[Term], within: Sequence[Term]) -> int | None:
    size = len(parts)
    return next((n for n in range(len(within) - size + 1) if tuple(within[n : n + size]) == tuple(parts)), None)


def _shared(edit: GeneralEdit, table: _Table) -> list[Term]:
    """Return the largest terms of the pattern that the template holds too, and that are no function that is called.

    A term that holds what the update is about (`table.fixed`) remains, as it stands in pattern and template.
    """
    fixed = table.fixed - {"Constant"}
    there = {term for term, is_free in _places(edit.template, True) if is_free and term.kind in _KEPT}
    found: list[Term] = []

    def look(term: Term, is_free: bool) -> None:
        may_vary = term is not edit.pattern and not _is_builtin(term) and not names_any(term, fixed)
        if is_free and term in there and may_vary and not (table.apart and _hides(term, edit.template)):
            found.append(term)
            return
        for part, free in _inner(term):
            look(part, free)

    look(edit.pattern, True)
    return list(dict.fromkeys(found))


def _hides(term: Term, template: Term) -> bool:
    """Say whether a term holds a name of the program that the template needs elsewhere, too."""
    names = {part for part in term.walk() if part.kind in (NAME, ONE) and part.value not in BUILTINS} - {term}
    return bool(names) and not names.isdisjoint(_replaced(template, term, Term(VALUE)).walk())


def _places(term: Term, is_free: bool) -> Iterator[tuple[Term, bool]]:
    yield term, is_free
    for part, free in _inner(term):
        yield from _places(part, free)


def _inner(term: Term) -> Iterator[tuple[Term, bool]]:
    """Yield the parts of a term, and whether each may be replaced by any other expression."""
    for number, part in enumerate(term.parts):
        yield part, not (term.kind == "Call" and number == 0) and term.kind not in ("ClassDef", "JoinedStr")


def _is_builtin(term: Term) -> bool:
    return term.kind == NAME and term.value in BUILTINS


def _replaced(term: Term, old: Term, new: Term, is_free: bool = True) -> Term:
    if term == old and is_free:
        return new
    parts = tuple(_replaced(part, old, new, free) for part, free in _inner(term))
    return term if parts == term.parts else replace(term, parts=parts)


def _without_names(edit: GeneralEdit, table: _Table) -> GeneralEdit:
    """Replace the program's own names, which say nothing about the library."""
    names = [term for term in edit.pattern.walk() if term.kind == NAME and term.value not in BUILTINS]
    for name in dict.fromkeys(names):
        variable = Term(ONE, table.fresh(ONE))
        table.names[ONE, (variable,)] = variable.value
        edit = GeneralEdit(_swapped(edit.pattern, name, variable), _swapped(edit.template, name, variable))
    return edit


def _swapped(term: Term, old: Term, new: Term) -> Term:
    if term == old:
        return new
    return replace(term, parts=tuple(_swapped(part, old, new) for part in term.parts)) if term.parts else term
