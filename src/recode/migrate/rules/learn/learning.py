"""Pairs of programs of one update family → rules, admitted leave-one-out.

A rule is admitted if, learned from the other pairs of its family alone, it turns each pair's old program into one that
verifies by running: it prints on the new release what the old one prints on the old release, and nothing warns.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

from recode.migrate.find.index import Index
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rules.applying import ReceiverCheck, rewritten
from recode.migrate.rules.learn.general_edit import ITEM_METHODS, GeneralEdit, NoPattern
from recode.migrate.rules.learn.generalise import generalise
from recode.migrate.rules.learn.sites import EditSite, TooDifferent, edit_sites
from recode.migrate.rules.matching import match
from recode.migrate.rules.program_terms import ProgramTerms
from recode.migrate.rules.rule import RewriteRule, RuleOrigin, RuleProof
from recode.migrate.rules.terms import ONE, SYMBOL, Term, is_statement, pattern_text, read_pattern
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import chain
from recode.records import ApiUpdate, Migration
from recode.symbol import Symbol


class PairOutcome(Enum):
    """What became of a pair's old program by a rewriting."""

    VERIFIES = auto()
    INCOMPLETE = auto()
    """It ends in the new release as the old program does there, or prints what it should and warns: more has to change."""
    WRONG = auto()


Judges = Callable[[Migration, str], PairOutcome]
"""Given a pair and a rewriting of its old program, returns what became of it."""


@dataclass(frozen=True)
class _PairSite:
    """An edit of one pair; `number` counts the pairs."""

    number: int
    site: EditSite
    view: ProgramTerms
    after: ProgramTerms


@dataclass(frozen=True)
class LearnedFamily:
    """What was learned from a family.

    Attributes:
        rules: the rules that were admitted.
        is_local: whether the edits of every pair replace calls, attributes, simple statements or decorators.
        pairs: how many pairs there are.
        repaired: how many old programs the rules of the other pairs turned into programs that verify.
    """

    family: str
    origin: RuleOrigin
    rules: tuple[RewriteRule, ...]
    is_local: bool
    pairs: int
    repaired: int


def learn_family(
    pairs: Sequence[Migration],
    index: Index,
    judge: Judges,
    origin: RuleOrigin,
    judged_by: tuple[str, ...] = (),
    keeps: tuple[str, ...] = (),
) -> LearnedFamily:
    """Return the admitted rules of one family.

    Args:
        pairs: the pairs of the family.
        index: what is known of the library.
        judge: runs a rewriting.
        origin: where the pairs are from.
        judged_by: the test splits that hold an update of the same API.
        keeps: kinds of terms that a pattern has to keep as they are written.
    """
    sites = sites_of(pairs, index)
    is_local = len({one.number for one in sites}) == len(pairs)
    held: set[int] = set()
    for number, pair in enumerate(pairs):
        others = _rules(pairs, [one for one in sites if one.number != number], origin, judged_by, keeps)
        if others and (text := _applied(pair, others, index)) is not None and judge(pair, text) is PairOutcome.VERIFIES:
            held.add(number)
    admitted = []
    for rule, numbers in _numbered(pairs, sites, origin, judged_by, keeps):
        if len(numbers) > 1 and numbers <= held and not _harms(rule, numbers, pairs, index, judge):
            ids = tuple(pairs[number].id for number in sorted(numbers))
            locks = next((pair.locks for pair in pairs if pair.locks), ())
            proof = RuleProof(programs=ids, held_out=ids, family=len(pairs), locks=locks)
            admitted.append(rule.model_copy(update={"proof": proof}))
    return LearnedFamily(pairs[0].family_id, origin, tuple(admitted), is_local, len(pairs), len(held))


def _harms(rule: RewriteRule, numbers: set[int], pairs: Sequence[Migration], index: Index, judge: Judges) -> bool:
    """Say whether a rule makes another program of the family wrong."""
    others = [pair for number, pair in enumerate(pairs) if number not in numbers]
    rewritings = [(pair, text) for pair in others if (text := _applied(pair, [rule], index)) is not None]
    return any(judge(pair, text) is PairOutcome.WRONG for pair, text in rewritings)


def rules_of_pairs(pairs: Sequence[Migration], index: Index, origin: RuleOrigin) -> list[RewriteRule]:
    """Return the rules of some pairs without any proof, such as those of a user's own pair."""
    return _rules(pairs, sites_of(pairs, index), origin, ())


def _applied(pair: Migration, rules: Sequence[RewriteRule], index: Index) -> str | None:
    try:
        text = rewritten(pair.old_code, rules, index, ReceiverCheck.NOTHING)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return text if text != pair.old_code else None


def sites_of(pairs: Sequence[Migration], index: Index) -> list[_PairSite]:
    """Return the edits of pairs; none of a pair whose programs differ in more than places that can be named."""
    found = []
    for number, pair in enumerate(pairs):
        try:
            old, new = _view(pair.old_code, index), _view(pair.new_code, index)
            found += [_PairSite(number, site, old, new) for site in edit_sites(old.module, new.module)]
        except (TooDifferent, SyntaxError, ValueError, RecursionError):
            continue
    return found


def _view(code: str, index: Index) -> ProgramTerms:
    source = SourceFile.from_bytes(Path("program.py"), code.encode())
    return ProgramTerms(source, EditableProgram(source.tree, source.newline), index)


@dataclass
class _Cluster:
    sites: list[_PairSite]
    edit: GeneralEdit


def _clusters(sites: Sequence[_PairSite], fixed: frozenset[str]) -> list[_Cluster]:
    """Return groups of edits, each with one pattern and template; `fixed` are the keywords that the update is about."""
    found: list[_Cluster] = []
    for one in sites:
        for cluster in found:
            joined = _joined(cluster, one, fixed)
            if joined is not None:
                cluster.edit = joined.edit
                cluster.sites.append(joined.sites[0])
                break
        else:
            for site in (one.site, *one.site.around):
                try:
                    found.append(_Cluster([replace(one, site=site)], generalise([site], fixed)))
                except NoPattern:
                    continue
                break
    return found


def _joined(cluster: _Cluster, one: _PairSite, fixed: frozenset[str]) -> _Cluster | None:
    """Return an edit with the pattern of its own and a cluster's; None where they have none in common."""
    for site in (one.site, *one.site.around):
        try:
            edit = generalise([*(other.site for other in cluster.sites), site], fixed)
        except NoPattern:
            continue
        return _Cluster([replace(one, site=site)], edit)
    return None


def _rules(
    pairs: Sequence[Migration],
    sites: Sequence[_PairSite],
    origin: RuleOrigin,
    judged_by: tuple[str, ...],
    keeps: tuple[str, ...] = (),
) -> list[RewriteRule]:
    return [rule for rule, _ in _numbered(pairs, sites, origin, judged_by, keeps)]


def _numbered(
    pairs: Sequence[Migration],
    sites: Sequence[_PairSite],
    origin: RuleOrigin,
    judged_by: tuple[str, ...],
    keeps: tuple[str, ...] = (),
) -> list[tuple[RewriteRule, set[int]]]:
    """Return the rules of some edits, each with the numbers of its pairs."""
    first = pairs[0]
    update = ApiUpdate(**{name: getattr(first, name) for name in ApiUpdate.model_fields})
    rules: list[tuple[RewriteRule, set[int]]] = []
    for cluster in _clusters(sites, frozenset({*update.old_symbol.keywords, update.old_symbol.name, *keeps})):
        try:
            pattern, template = pattern_text(cluster.edit.pattern), pattern_text(cluster.edit.template)
            read = (
                read_pattern(pattern, statement=is_statement(cluster.edit.pattern)),
                read_pattern(template, statement=is_statement(cluster.edit.template)),
            )
        except (SyntaxError, ValueError, TypeError):
            # Some trees have no text, such as a formatted string in which a piece is exchanged.
            continue
        if read != (cluster.edit.pattern, cluster.edit.template) or not (
            origin == "project" or _is_about(read[0], update)
        ):
            continue
        if not _is_anchored(read[0]) and not _within(cluster) and not all(_receivers(cluster).values() or [()]):
            continue
        numbers = {one.number for one in cluster.sites}
        rule = RewriteRule(
            id=f"{first.family_id}-{len(rules) + 1}", update=update, pattern=pattern, template=template,
            modules=_modules(cluster), receivers=_receivers(cluster), values=dict(cluster.edit.values), within=_within(cluster),
            origin=origin, judged_by=judged_by,
            proof=RuleProof(programs=tuple(pairs[number].id for number in sorted(numbers)), family=len(pairs)),
        )  # fmt: skip
        rules.append((rule, numbers))
    return rules


def _is_about(pattern: Term, update: ApiUpdate) -> bool:
    """Say whether a pattern names something that the update is about, and not only what stood beside it in the programs."""
    words = {word for term in pattern.walk() if not term.is_variable for word in term.value.replace(".", " ").split()}
    about = update.old_symbol.words | {update.old_symbol.name} | set(update.old_symbol.keywords)
    if pattern.kind == "Subscript" and update.old_symbol.name in ITEM_METHODS:
        return True
    return not update.old_symbol.path or not words.isdisjoint(about)


def _is_anchored(pattern: Term) -> bool:
    """Say whether a pattern holds more than constants and names of its own: an attribute, a symbol or a class."""
    return any(term.kind in ("Attribute", "ClassDef", SYMBOL) for term in pattern.walk())


def _modules(cluster: _Cluster) -> tuple[str, ...]:
    """Return the modules that the new programs import from for the template's names: those of classes and other objects."""
    modules, paths = set(), cluster.edit.template.symbols()
    for one in cluster.sites:
        for term in one.site.new.walk():
            if term.kind != SYMBOL or term.value not in paths or not isinstance(term.node, ast.expr):
                continue
            root = chain(term.node)[0]
            if not isinstance(root, ast.Name) or root not in one.after.program.scopes.of:
                continue
            for binding in one.after.program.scopes.of[root].resolve(root.id):
                is_within = Symbol(term.value).of_class or binding.target != term.value
                if isinstance(binding.node, ast.ImportFrom) and is_within:
                    modules.add(binding.target.rpartition(".")[0])
    return tuple(sorted(modules))


def _within(cluster: _Cluster) -> tuple[str, ...]:
    """Return the library classes that the classes derive from in whose bodies the edits stand; none where an edit is elsewhere."""
    found: set[str] = set()
    for one in cluster.sites:
        node = one.site.old.node
        paths = one.view.classes_around(node) if isinstance(node, ast.stmt) else frozenset()
        if not paths:
            return ()
        found = found & paths if found else set(paths)
    return tuple(sorted(found))


def _receivers(cluster: _Cluster) -> dict[str, tuple[str, ...]]:
    """Return the classes of the metavariables that a method is called on or an attribute is taken of."""
    pattern = cluster.edit.pattern
    owners = [
        term for term in pattern.walk() if term.kind == "Attribute" or (term is pattern and term.kind == "Subscript")
    ]
    names = [term.parts[0].value for term in owners if term.parts[0].kind == ONE]
    found: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        classes: set[str] = set()
        for one in cluster.sites:
            bound = match(pattern, one.site.old)
            assert bound is not None
            classes.update(one.view.classes(bound[ONE + name][0].node))
        found[name] = tuple(sorted(classes))
    return found
