"""Keywords that a call gets from a dictionary: `OPTIONS = {"affinity": "l1"}` and `AgglomerativeClustering(**OPTIONS)`.

A rule that only exchanges keywords of a call is followed in the dictionary, if that is written once and used nowhere else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from recode.migrate.rewrite.program import CannotRename
from recode.migrate.rules.composing import keyed_parts
from recode.migrate.rules.matching import filled, match
from recode.migrate.rules.program_terms import ProgramTerms
from recode.migrate.rules.rendering import RuleMatch
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.terms import KEYWORDS, Term, marked_text
from recode.migrate.source.edits import Edit


def expanded_matches(view: ProgramTerms, node: ast.AST, rules: Sequence[RewriteRule]) -> Iterator[RuleMatch]:
    """Yield the matches of rules with a call whose keywords stand in a dictionary."""
    if not isinstance(node, ast.Call) or not rules:
        return
    display = _dictionary(view, node)
    if display is None:
        return
    term = view.term(node)
    given = [part for part in term.parts[2].parts if part.value != "**"]
    entries = [
        Term("keyword", str(key.value), (view.term(value),), key)
        for key, value in zip(display.keys, display.values, strict=True)
        if isinstance(key, ast.Constant)
    ]
    keywords = Term(KEYWORDS, "", tuple(sorted((*given, *entries), key=lambda part: part.value)))
    whole = replace(term, parts=(*term.parts[:2], keywords))
    for rule in rules:
        bound = match(rule.pattern_term, whole, rule.values)
        if bound is not None and _edited(rule, entries) is not None:
            yield RuleMatch(rule, node, whole, bound, display)


def expanded_edits(view: ProgramTerms, found: RuleMatch) -> tuple[tuple[Edit, ...], tuple[tuple[int, int], ...]]:
    """Return the edits of a dictionary, and the spans that the rule is about.

    Raises:
        CannotRename: the dictionary leaves no safe edit.
    """
    assert found.expanded is not None
    tree = view.program.tree
    entries_of = zip(found.expanded.keys, found.expanded.values, strict=True)
    keys = {key.value: (key, value) for key, value in entries_of if isinstance(key, ast.Constant)}
    entries = [Term("keyword", str(key)) for key in keys]
    pair = _edited(found.rule, entries)
    assert pair is not None
    old, new = pair
    key, value = keys[old.value]
    edits = []
    if old.value != new.value:
        start, end = tree.span(key)
        quote = tree.text[end - 1]
        if new.value in keys or tree.text[start] != quote:
            raise CannotRename("the dictionary holds the new keyword already, or writes the old one in an odd way")
        edits.append(Edit(start, end, f"{quote}{new.value}{quote}"))
    written = filled(new.parts[0], found.bound)
    if written.node is None:
        if written.symbols():
            raise CannotRename("the new value needs a name that may not be known where the dictionary stands")
        edits.append(Edit(*tree.span(value), marked_text(written)))
    return tuple(edits), (tree.span(found.node), tree.span(key))


def _edited(rule: RewriteRule, entries: Sequence[Term]) -> tuple[Term, Term] | None:
    """Return the keyword of a dictionary that a rule exchanges, and the one that takes its place; None for any other rule."""
    keyed = keyed_parts(rule)
    if keyed is None or keyed.pattern != keyed.template or len(keyed.old) != 1 or len(keyed.new) != 1:
        return None
    names = {part.value for part in entries}
    container = next(term for term in rule.pattern_term.walk() if term.kind == KEYWORDS)
    target = next(term for term in rule.template_term.walk() if term.kind == KEYWORDS)
    old = next(part for part in container.parts if part.value == keyed.old[0].value)
    new = next(part for part in target.parts if part.value == keyed.new[0].value)
    return (old, new) if old.value in names else None


def _dictionary(view: ProgramTerms, call: ast.Call) -> ast.Dict | None:
    """Return the display that a call's only `**name` stands for, if the name is bound once and used nowhere else."""
    starred = [keyword.value for keyword in call.keywords if keyword.arg is None]
    if len(starred) != 1:
        return None
    value = starred[0]
    if isinstance(value, ast.Name):
        scopes, parents = view.program.scopes, view.program.tree.parents
        bindings = scopes.of[value].resolve(value.id)
        if len(bindings) != 1 or view.program.used_elsewhere(value.id):
            return None
        statement = bindings[0].node
        while statement in parents and not isinstance(statement, ast.stmt):
            statement = parents[statement]
        uses = [name for name in scopes.uses(bindings[0]) if isinstance(name.ctx, ast.Load)]
        if uses != [value] or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return None
        value = statement.value
    plain = isinstance(value, ast.Dict) and all(
        isinstance(key, ast.Constant) and isinstance(key.value, str) for key in value.keys
    )
    return value if plain and isinstance(value, ast.Dict) else None
