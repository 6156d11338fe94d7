"""The places of a file that rules rewrite → changes with their evidence.

A rule applies where the pattern names a symbol of the library, where the receiver is of a class that the rule was proven
with, or where a witness reports the very place. Where no witness does, the match is a finding by itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.version import Version

from recode.migrate.find.findings import Finding, Witness
from recode.migrate.find.index import Index
from recode.migrate.find.scan import CONFIDENCE
from recode.migrate.rewrite.calls.binding import CallArguments, DoesNotBind, bind
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Method
from recode.migrate.rewrite.name_checks import Relation, UpgradeNames
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rules.applying import is_sure, matches, may_hold, may_receive, receivers, rule_edits
from recode.migrate.rules.left_imports import RuleEdits
from recode.migrate.rules.matching import filled, gives_twice
from recode.migrate.rules.program_terms import ProgramTerms
from recode.migrate.rules.rendering import RuleMatch
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.store import rule_status
from recode.migrate.rules.terms import KEYWORDS, ONE, SYMBOL, Term
from recode.migrate.source.source_file import SourceFile

_CERTAIN = 0.95
_SURE = 0.75
"""Confidence of a receiver's class below which it was guessed by a name."""
_UNSURE = frozenset({"default_changed", "return_changed", "parameter_added"})
"""Kinds of updates that do not concern most uses of the symbol, so that a witness has to report the place."""


@dataclass(frozen=True)
class ProjectRules:
    """The rules for a move of a project.

    Attributes:
        rules: the rules in effect at the new release.
        index: what is known of the library.
        old: the release that the project comes from.
        new: the release that it moves to.
        own: the project's own modules.
    """

    rules: tuple[RewriteRule, ...]
    index: Index
    old: Version | None
    new: Version
    own: frozenset[str] = frozenset()

    def view(self, source: SourceFile, program: EditableProgram) -> ProgramTerms | None:
        """Return a program's terms; None where no rule can match in it."""
        text = source.program
        if any(may_hold(text, rule, self.index) for rule in self.rules):
            return ProgramTerms(source, program, self.index, self.own)
        return None

    def findings(self, source: SourceFile, program: EditableProgram, known: Sequence[Finding]) -> list[Finding]:
        """Return a finding for each place that a rule matches and no witness reports."""
        view = self.view(source, program)
        if view is None:
            return []
        found = []
        for match in matches(view, self.rules):
            if match.rule.update.kind in _UNSURE and not match.rule.update.old_symbol.has_values:
                continue
            # A keyword that would be given twice is there already, so the call is as it should be.
            if not is_sure(view, match) or gives_twice(filled(match.rule.template_term, match.bound)):
                continue
            finding = _finding(self, view, match)
            if not any(other.confidence >= CONFIDENCE and _overlap(finding, other) for other in known):
                found.append(finding)
        return found


@dataclass(frozen=True)
class PlannedByRules:
    """What rules make of a file: changes, and the findings for which a rule matches but cannot be applied, with the reason."""

    changes: tuple[Change, ...] = ()
    refused: tuple[tuple[Finding, str], ...] = ()


def plan_by_rules(
    project: ProjectRules,
    source: SourceFile,
    program: EditableProgram,
    findings: Sequence[Finding],
    names: UpgradeNames,
) -> PlannedByRules:
    """Return the changes that rules make at the places of findings.

    Args:
        project: the rules.
        source: the file.
        program: the same, to be edited.
        findings: its findings; guarded ones are left out.
        names: asks the two releases about names.
    """
    view = project.view(source, program)
    if view is None or not findings:
        return PlannedByRules()
    placed = [(finding, span) for finding in findings if (span := _span(source, finding)) is not None]
    found: list[RuleMatch] = []
    refused: list[tuple[Finding, str]] = []
    for match in matches(view, project.rules):
        span = program.tree.span(match.node)
        near = [finding for finding, place in placed if max(span[0], place[0]) < min(span[1], place[1])]
        if not near or not may_receive(view, match) or any(finding.guarded for finding in near):
            continue
        if match.rule.renames is not None and _is_related(names, near):
            # That is a stronger proof.
            continue
        if obstacle := _obstacle(view, match, names):
            refused += [(finding, obstacle) for finding in near]
        else:
            found.append(match)
    outcome = rule_edits(view, found)
    changes = []
    by_node = {match.node: match for match in found}
    for group in outcome.edits:
        group_matches = [by_node[node] for node in group.nodes if node in by_node]
        spans = [(program.tree.span(one.node), one.rule.update.old_symbol.path) for one in group_matches]
        settled = [
            finding
            for finding, place in placed
            if _touches(place, group) or any(_is_about(finding, place, *one) for one in spans)
        ]
        if not settled or not group.edits:
            continue
        evidence, remark = _evidence(view, group, group_matches, settled)
        reached = EvidenceLevel.BY_RULE if evidence is EvidenceLevel.UNPROVEN else None
        changes.append(Change(source.path, tuple(settled), group.edits, Method.SYNTAX_TREE, evidence, remark, reached))
    for one in outcome.refused:
        own = program.tree.span(one.match.node)
        near = [finding for finding, place in placed if max(own[0], place[0]) < min(own[1], place[1])]
        refused += [(finding, one.reason) for finding in near]
    return PlannedByRules(tuple(changes), tuple(refused))


def _is_related(names: UpgradeNames, findings: Iterable[Finding]) -> bool:
    related = (Relation.SAME, Relation.FORWARDS)
    return any(names.relation(one.update.old_symbol, one.update.new_symbol) in related for one in findings)


def _span(source: SourceFile, finding: Finding) -> tuple[int, int] | None:
    try:
        return (
            source.offset(finding.line, finding.column, finding.cell),
            source.offset(finding.end_line, finding.end_column, finding.cell),
        )
    except ValueError:
        return None


def _touches(place: tuple[int, int], group: RuleEdits) -> bool:
    return any(max(start, place[0]) < min(end, place[1]) for start, end in group.own)


def _is_about(finding: Finding, place: tuple[int, int], span: tuple[int, int], path: str) -> bool:
    """Say whether a finding within a rewritten place is about the same API, such as about a value that the rule keeps."""
    return span[0] <= place[0] and place[1] <= span[1] and finding.update.old_symbol.path == path


def _evidence(
    view: ProgramTerms, group: RuleEdits, found: Sequence[RuleMatch], settled: Sequence[Finding]
) -> tuple[EvidenceLevel, str]:
    """Return the evidence of a change: that of the rule, unless only the name of a method says that it applies."""
    told = max(finding.confidence for finding in settled)
    for match in found:
        package = match.rule.update.old_symbol.package
        named = any(path.partition(".")[0] == package for path in match.rule.pattern_term.symbols())
        if (
            not named
            and not isinstance(match.node, ast.ClassDef)
            and told < _SURE
            and not all(receivers(view, match).values())
        ):
            return (
                EvidenceLevel.UNPROVEN,
                f"{_proof(group.rules)}, but the type of what stands before the name was only guessed",
            )
    return EvidenceLevel.BY_RULE, _proof(group.rules)


def _proof(rules: Sequence[RewriteRule]) -> str:
    """Return what proves the rules, as words for the user."""
    own = [rule for rule in rules if rule.origin == "project"]
    count = min(len(rule.proof.held_out) or len(rule.proof.programs) for rule in rules)
    if own and not all(rule.proof.held_out for rule in own):
        return f"by a rule of the project, learned from {count} pair{'s' * (count != 1)}"
    return f"by a rule proven on {count} programs"


# --- whether the new release has what the template needs ---


def _obstacle(view: ProgramTerms, match: RuleMatch, names: UpgradeNames) -> str:
    """Return why the new release does not accept what a template makes of a place; empty if nothing shows that."""
    rule = match.rule
    package = rule.update.old_symbol.package
    for path in sorted(rule.template_term.symbols()):
        if path.partition(".")[0] == package and names.new.has(path) == "no":
            return f"the new release has no {path}"
    made = filled(rule.template_term, match.bound)
    for call in made.walk():
        path = _called(view, match, call)
        if not path:
            continue
        signature = names.new.signature(path)
        if signature is None:
            continue
        starred = any(part.kind == "Starred" for part in call.parts[1].parts)
        keywords = tuple((part.value, part.value) for part in call.parts[2].parts if part.kind == "keyword")
        positionals = next(
            (n for n, part in enumerate(call.parts[1].parts) if part.kind == "Starred"), len(call.parts[1].parts)
        )
        try:
            bind(
                CallArguments(positionals, keywords, starred=starred),
                None,
                signature.without_first() if signature.takes_self else signature,
            )
        except DoesNotBind as obstacle:
            return f"`{path.rpartition('.')[2]}()` does not accept these arguments: {obstacle}"
    return ""


def _called(view: ProgramTerms, match: RuleMatch, call: Term) -> str:
    """Return the path of what a call of a filled template calls, where the template itself says so."""
    if call.kind != "Call" or call.parts[2].kind != KEYWORDS:
        return ""
    function = call.parts[0]
    if function.kind == SYMBOL and function.value in match.rule.template_term.symbols():
        return function.value
    if function.kind == "Attribute" and function.node is None:
        kept = [terms[0] for name, terms in match.bound.items() if name.startswith(ONE) and terms]
        receiver = next((term for term in kept if term is function.parts[0]), None)
        classes = view.classes(receiver.node) if receiver is not None else ()
        if len(classes) == 1:
            return f"{classes[0]}.{function.value}"
    return ""


# --- a match as a finding ---


def _finding(project: ProjectRules, view: ProgramTerms, match: RuleMatch) -> Finding:
    rule, source = match.rule, view.source
    status = rule_status(rule, project.new, project.old)
    assert status is not None
    node = _anchor(match)
    line, column = node.lineno, node.col_offset
    end_line, end_column = node.end_lineno or line, node.end_col_offset or 0
    if isinstance(node, ast.Attribute):
        line, column = end_line, end_column - len(node.attr.encode())
    start, end = source.position(line, column), source.position(end_line, end_column)
    return Finding(
        file=source.path, line=start.line, column=start.column, end_line=end.line, end_column=end.column,
        symbol=str(rule.update.old_symbol), kind=rule.update.kind, status=status[0], since=status[1],
        evidence=f"{rule.pattern} → {rule.template} ({_proof([rule])})", confidence=_CERTAIN, advice=rule.update.update_info,
        update=rule.update, cell=start.cell, witnesses=(Witness.RULE,),
    )  # fmt: skip


def _anchor(match: RuleMatch) -> ast.expr | ast.stmt:
    """Return the name that the match is about: what is called, or the place itself."""
    node = match.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        return node.func
    assert isinstance(node, ast.expr | ast.stmt)
    return node


def _overlap(first: Finding, second: Finding) -> bool:
    if first.file != second.file or first.cell != second.cell:
        return False
    return first.line <= second.line <= first.end_line
