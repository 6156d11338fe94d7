"""Applying rules to a program: the places that match, and the edits of each, with the imports that they need or no longer need."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from recode.migrate.find.index import Index
from recode.migrate.rewrite.import_lines import exchange_names
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.rewrite.renames import plan_renames
from recode.migrate.rewrite.requests import Renamed, RenameRequest
from recode.migrate.rules.composing import composed
from recode.migrate.rules.expanded_keywords import expanded_edits, expanded_matches
from recode.migrate.rules.left_imports import RuleEdits, relied_on, with_left_imports
from recode.migrate.rules.matching import match
from recode.migrate.rules.program_terms import ProgramTerms
from recode.migrate.rules.rendering import RenderedMatch, RuleMatch, bound_nodes, render
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.terms import DECORATORS, SYMBOL, Term, parameters
from recode.migrate.source.edits import Edit, apply, overlap
from recode.migrate.source.grouping import grouped
from recode.migrate.source.scopes import Binding
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Place
from recode.source import parses
from recode.symbol import Symbol

_SURE = 0.75
"""Confidence of a receiver's class below which it was guessed by a name."""
_PASSES = 4
"""A place within another one is rewritten after it."""


@dataclass(frozen=True)
class RuleRefusal:
    """A place that a rule matches and that cannot be edited safely, and why."""

    match: RuleMatch
    reason: str


@dataclass
class RuleOutcome:
    """What rules make of one program."""

    edits: list[RuleEdits] = field(default_factory=list)
    refused: list[RuleRefusal] = field(default_factory=list)


class ReceiverCheck(Enum):
    """What has to be known of the object that a method is called on."""

    NOTHING = auto()
    """A method's name decides."""
    NOT_ANOTHER = auto()
    """It must not be seen to be of a class that the rule was not proven with."""
    KNOWN = auto()
    """It is of such a class, or the pattern names a symbol of the library."""


def rewritten(
    text: str, rules: Sequence[RewriteRule], index: Index, check: ReceiverCheck = ReceiverCheck.NOT_ANOTHER
) -> str:
    """Return a program after rules.

    Args:
        text: the program.
        rules: the rules.
        index: what is known of the library.
        check: what has to be known of the objects that methods are called on.
    """
    for _ in range(_PASSES):
        source = SourceFile.from_bytes(Path("program.py"), text.encode())
        program = EditableProgram(source.tree, source.newline, lambda module, rest: True)
        view = ProgramTerms(source, program, index)
        found = [one for one in matches(view, rules) if _is_allowed(view, one, check)]
        edits: list[Edit] = []
        waiting = False
        for group in rule_edits(view, found).edits:
            if not overlap(edits, group.edits) and parses(apply(text, [*edits, *group.edits])):
                edits += group.edits
            else:
                waiting = True
        text = apply(text, edits)
        if not edits or not waiting:
            break
    return text


def _is_allowed(view: ProgramTerms, found: RuleMatch, check: ReceiverCheck) -> bool:
    if check is ReceiverCheck.NOTHING:
        return True
    return is_sure(view, found) if check is ReceiverCheck.KNOWN else may_receive(view, found)


def is_sure(view: ProgramTerms, found: RuleMatch) -> bool:
    """Say whether the pattern itself shows that this is the library's API: by a symbol, or by the receiver's class."""
    if not may_receive(view, found):
        return False
    if isinstance(found.node, ast.ClassDef) or found.rule.within or names_library(found.rule):
        return True
    fits, nodes = receivers(view, found), dict(bound_nodes(found.bound))
    return bool(fits) and all(fits.values()) and all(view.confidence(nodes[name]) >= _SURE for name in fits)


def names_library(rule: RewriteRule) -> bool:
    """Say whether a rule's pattern holds a symbol of its library."""
    package = rule.update.old_symbol.package
    return any(path.partition(".")[0] == package for path in rule.pattern_term.symbols())


def may_receive(view: ProgramTerms, found: RuleMatch) -> bool:
    """Say whether nothing shows that a method is called on an object of another class than the rule's."""
    if isinstance(found.node, ast.ClassDef) and not found.rule.within and not is_within_class(view, found):
        return False
    known = receivers(view, found).values()
    return all(known) and bool(known) if found.rule.needs_receiver else all(fits is not False for fits in known)


def receivers(view: ProgramTerms, found: RuleMatch) -> dict[str, bool | None]:
    """Return, for each metavariable whose class the rule knows, whether the program's object is of it; None if unknown."""
    outcome: dict[str, bool | None] = {}
    for name, node in bound_nodes(found.bound):
        wanted = found.rule.receivers.get(name)
        if wanted is not None:
            given = view.classes(node)
            bases = {base for cls in given for base in view.index.bases(cls)}
            outcome[name] = bool(bases & set(wanted)) if given and wanted else None
    return outcome


def is_within_class(view: ProgramTerms, found: RuleMatch) -> bool:
    """Say whether a class stands in the body of one that derives from the class of the rule's update."""
    old = found.rule.update.old_symbol
    return _stands_in(view, found.node, (old.path, old.parent))


def is_in_place(view: ProgramTerms, found: RuleMatch) -> bool:
    """Say whether a place is in the body of such a class as the rule's programs had it in."""
    return not found.rule.within or _stands_in(view, found.node, found.rule.within)


def _stands_in(view: ProgramTerms, node: ast.AST, classes: Iterable[str]) -> bool:
    return not {view.index.canonical(path) for path in classes}.isdisjoint(view.classes_around(node))


# --- places ---


def matches(view: ProgramTerms, rules: Iterable[RewriteRule]) -> list[RuleMatch]:
    """Return the places that rules match, the outermost first; of several rules for one place, the most special one."""
    text = view.program.tree.text
    by_root = _ByRoot((rule for rule in rules if may_hold(text, rule, view.index)), view.index)
    found: dict[ast.AST, list[RuleMatch]] = {}
    if by_root.is_empty:
        return []
    for node in view.program.tree.nodes:
        for one in _matches_at(view, node, by_root):
            if is_in_place(view, one):
                found.setdefault(one.node, []).append(one)
    best = {node: _joined_match(view, several) for node, several in found.items()}
    # What a pattern names itself belongs to it; the next pass sees what it made of that.
    taken = {inner for one in best.values() if may_receive(view, one) for inner in _own_nodes(one)}
    return [one for node, one in best.items() if node not in taken]


def may_hold(text: str, rule: RewriteRule, index: Index) -> bool:
    """Say whether a program's text has the words without which a rule's pattern cannot be in it."""
    return all(word in text for word in rule.words) and all(
        any(part in text for part in index.last_parts(path)) for path in rule.symbols
    )


def _own_nodes(found: RuleMatch) -> Iterator[ast.AST]:
    """Yield the expressions of a program that a pattern names itself, without the matched place and its metavariables."""
    if isinstance(found.node, ast.Call):
        yield found.node.func
    for term in found.own_terms():
        if isinstance(term.node, ast.expr) and term.node is not found.node:
            yield term.node


def _joined_match(view: ProgramTerms, several: list[RuleMatch]) -> RuleMatch:
    """Return the match of the most special of some rules for one place, joined with those that differ in keywords alone."""
    if len(several) > 1:
        several.sort(key=lambda one: (may_receive(view, one), _weight(one.rule)), reverse=True)
    best = several[0]
    if best.expanded is not None:
        return best
    rule = composed([one.rule for one in several])
    bound = match(rule.pattern_term, best.term, rule.values) if rule is not best.rule else None
    return best if bound is None else RuleMatch(rule, best.node, best.term, bound)


def _weight(rule: RewriteRule) -> tuple[int, int]:
    """Return how special a pattern is: how much of it is fixed, and how many programs proved it."""
    fixed = sum(not term.is_variable for term in rule.pattern_term.walk()) + 2 * (
        len(rule.values) + bool(rule.receivers)
    )
    return fixed, len(rule.proof.held_out)


class _ByRoot:
    """Rules by what a place has to be, so that few are compared with each place."""

    def __init__(self, rules: Iterable[RewriteRule], index: Index) -> None:
        self._of_symbol: dict[str, list[RewriteRule]] = {}
        self._of_attribute: dict[str, list[RewriteRule]] = {}
        self._of_kind: dict[str, list[RewriteRule]] = {}
        self.symbols: dict[str, list[RewriteRule]] = {}
        self.decorators: list[RewriteRule] = []
        for rule in rules:
            self._add(rule)
        self._called = frozenset(part for path in self._of_symbol for part in index.last_parts(path))
        self._named = frozenset(part for path in self.symbols for part in index.last_parts(path))

    def _add(self, rule: RewriteRule) -> None:
        root = rule.root
        called = root.parts[0] if root.kind == "Call" else None
        if rule.pattern_term.kind == DECORATORS:
            self.decorators.append(rule)
        elif root.kind == SYMBOL:
            self.symbols.setdefault(root.value, []).append(rule)
        elif called is not None and called.kind == SYMBOL:
            self._of_symbol.setdefault(called.value, []).append(rule)
        elif called is not None and called.kind == "Attribute":
            self._of_attribute.setdefault(called.value, []).append(rule)
        else:
            self._of_kind.setdefault(root.kind, []).append(rule)

    @property
    def is_empty(self) -> bool:
        """Whether there are no rules."""
        return not (self._of_symbol or self._of_attribute or self._of_kind or self.symbols or self.decorators)

    def candidates(self, view: ProgramTerms, node: ast.AST) -> Sequence[RewriteRule]:
        """Return the rules whose first term a node may be, those for symbols and decorators apart."""
        found = [rule for rule in self._of_kind.get(type(node).__name__, ()) if _may_be(view, rule.root, node)]
        if isinstance(node, ast.Call):
            if self._of_symbol and _may_mean(view, node.func, self._called):
                found = [*found, *self._of_symbol.get(view.symbol(node.func), ())]
            if isinstance(node.func, ast.Attribute):
                found = [*found, *self._of_attribute.get(node.func.attr, ())]
        return found

    def of_symbol(self, view: ProgramTerms, node: ast.AST) -> Sequence[RewriteRule]:
        """Return the rules that are about a symbol alone, for the one that a node is."""
        if (
            not self.symbols
            or not isinstance(getattr(node, "ctx", None), ast.Load)
            or not _may_mean(view, node, self._named)
        ):
            return ()
        assert isinstance(node, ast.expr)
        return self.symbols.get(view.symbol(node), ())


def _may_mean(view: ProgramTerms, node: ast.AST, last_parts: frozenset[str]) -> bool:
    """Say whether an expression may be a symbol with one of some last parts, before it is looked up."""
    match node:
        case ast.Attribute(attr=name):
            return name in last_parts
        case ast.Name(id=name):
            return name in view.imported
    return False


def _may_be(view: ProgramTerms, term: Term, node: ast.AST) -> bool:
    """Compare what a node begins with to a term, which is cheaper than to make the node's own term."""
    match node:
        case ast.Name() | ast.Attribute() if term.kind == SYMBOL:
            return view.symbol(node) == term.value
        case ast.Attribute(attr=name) if term.kind == "Attribute":
            return name == term.value
        case ast.Call(func=inner) | ast.Subscript(value=inner) | ast.Expr(value=inner) if (
            term.kind == type(node).__name__
        ):
            return _may_be(view, term.parts[0], inner)
    return term.kind not in (SYMBOL, "Attribute", "Call", "Subscript", "Expr")


def _matches_at(view: ProgramTerms, node: ast.AST, by_root: _ByRoot) -> Iterator[RuleMatch]:
    candidates = by_root.candidates(view, node)
    for rule in candidates:
        bound = match(rule.pattern_term, view.term(node), rule.values)
        if bound is not None and not (rule.matches_itself and match(rule.template_term, view.term(node)) is not None):
            yield RuleMatch(rule, node, view.term(node), bound)
    if isinstance(node, ast.Call):
        yield from expanded_matches(view, node, candidates)
    for rule in by_root.of_symbol(view, node):
        yield RuleMatch(rule, node, view.term(node), {})
    if by_root.decorators:
        for decorator in getattr(node, "decorator_list", ()):
            term = Term(DECORATORS, parameters(node), (view.term(decorator),))
            for rule in by_root.decorators:
                if (bound := match(rule.pattern_term, term, rule.values)) is not None:
                    yield RuleMatch(rule, decorator, term, bound)


# --- edits ---


def rule_edits(view: ProgramTerms, found: Sequence[RuleMatch]) -> RuleOutcome:
    """Return the edits of some matches; those that share an import are one group."""
    outcome = RuleOutcome()
    rendered: list[RenderedMatch] = []
    for one in found:
        if one.rule.renames is not None or _is_within(view, one, rendered):
            continue
        try:
            if one.expanded is not None:
                outcome.edits.append(RuleEdits((one.rule,), *expanded_edits(view, one), (one.node,)))
            else:
                rendered.append(render(view, one))
        except CannotRename as obstacle:
            outcome.refused.append(RuleRefusal(one, str(obstacle)))
    renames = [one for one in found if one.rule.renames is not None and not _is_within(view, one, rendered)]
    _add_renames(view, renames, outcome)
    unused = _unused_imports(view, rendered)
    for group in _groups(rendered, unused):
        try:
            outcome.edits.append(_joined(view, group, unused))
        except CannotRename as obstacle:
            outcome.refused += [RuleRefusal(one.match, str(obstacle)) for one in group]
    outcome.edits = with_left_imports(view.program, outcome.edits)
    return outcome


def _is_within(view: ProgramTerms, one: RuleMatch, rendered: Sequence[RenderedMatch]) -> bool:
    """Say whether a place is a part of what a rule for a larger place replaces."""
    start, end = view.program.tree.span(one.node)
    return any(first <= start and end <= last for other in rendered for first, last in other.own)


def _add_renames(view: ProgramTerms, found: Sequence[RuleMatch], outcome: RuleOutcome) -> None:
    """Add rules that exchange one symbol for another, by the same means as any other rename."""
    requests: dict[RenameRequest, RuleMatch] = {}
    for one in found:
        assert one.rule.renames is not None
        new = Symbol(one.rule.renames[1])
        place = _place(view, one.node)
        old = Symbol(view.written_path(one.node)) if isinstance(one.node, ast.expr) else Symbol("")
        if place is None or not old:
            outcome.refused.append(RuleRefusal(one, "no name of the program stands there"))
        else:
            requests[RenameRequest(place, old, new)] = one
    for result in plan_renames(view.program, list(requests)):
        if isinstance(result, Renamed):
            mine = [requests[request] for request in result.requests]
            spans = [(edit.start, edit.end) for edit in result.edits if edit.end > edit.start]
            spans += [(request.place.start, request.place.end) for request in result.requests]
            outcome.edits.append(
                RuleEdits(
                    tuple(dict.fromkeys(one.rule for one in mine)),
                    result.edits,
                    tuple(spans),
                    tuple(one.node for one in mine),
                )
            )
        else:
            outcome.refused.append(RuleRefusal(requests[result.request], result.reason))


def _place(view: ProgramTerms, node: ast.AST) -> Place | None:
    start, end = view.program.tree.span(node)
    return view.program.tree.place(start, end)


def _unused_imports(view: ProgramTerms, rendered: Sequence[RenderedMatch]) -> dict[Binding, list[RenderedMatch]]:
    """Return the imported names that nothing uses after the edits, each with the matches that used it."""
    program = view.program
    by_binding: dict[Binding, list[tuple[ast.Name, RenderedMatch]]] = {}
    for one in rendered:
        for name in one.gone:
            for binding in program.scopes.of[name].resolve(name.id):
                if binding.alias is not None and isinstance(binding.node, ast.ImportFrom):
                    by_binding.setdefault(binding, []).append((name, one))
    unused = {}
    for binding, users in by_binding.items():
        names = {name for name, _ in users}
        if not relied_on(program, binding.name) and all(use in names for use in program.scopes.uses(binding)):
            unused[binding] = [one for _, one in users]
    return unused


def _groups(rendered: Sequence[RenderedMatch], unused: dict[Binding, list[RenderedMatch]]) -> list[list[RenderedMatch]]:
    """Return the matches in groups: those that take a name out of one import statement belong together."""
    by_statement: dict[ast.AST, list[RenderedMatch]] = {}
    for binding, users in unused.items():
        by_statement.setdefault(binding.node, []).extend(users)
    return grouped(rendered, by_statement.values())


def _joined(
    view: ProgramTerms, group: Sequence[RenderedMatch], unused: dict[Binding, list[RenderedMatch]]
) -> RuleEdits:
    """Return the edits of a group, with those of its imports.

    Raises:
        CannotRename: the imports leave no safe edit.
    """
    program = view.program
    edits = [edit for one in group for edit in one.edits]
    own = [span for one in group for span in one.own]
    mine = [binding for binding, users in unused.items() if not set(group).isdisjoint(users)]
    references = list(dict.fromkeys(reference for one in group for reference in one.references))
    for statement in dict.fromkeys(binding.node for binding in mine):
        assert isinstance(statement, ast.ImportFrom)
        aliases = [binding.alias for binding in mine if binding.node is statement and binding.alias is not None]
        lines = list(dict.fromkeys(one.line for one in references if one.line and one.beside is statement))
        edits += exchange_names(program, statement, aliases, lines)
        own += [program.tree.span(alias) for alias in aliases]
        references = [one for one in references if one.beside is not statement or not one.line]
    edits += [edit for reference in references for edit in reference.edits(program)]
    rules = tuple(dict.fromkeys(one.match.rule for one in group))
    return RuleEdits(rules, tuple(dict.fromkeys(edits)), tuple(own), tuple(one.match.node for one in group))
