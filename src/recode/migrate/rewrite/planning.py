"""The findings of one file → renames by rule, and what is left for a model or a person."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.calls.call_checks import check_calls
from recode.migrate.rewrite.calls.keyword_arguments import KIND, KeywordPlan, plan_keywords
from recode.migrate.rewrite.changes import Change, EvidenceLevel, LeftAlone, Method, Reason
from recode.migrate.rewrite.field_bases import field_base_edits, new_base
from recode.migrate.rewrite.name_checks import Relation, ReleaseNames, UpgradeNames
from recode.migrate.rewrite.program import CannotRename, EditableProgram, UsedElsewhere
from recode.migrate.rewrite.rename_rules import NotARename, rename_rule, tentative_rule
from recode.migrate.rewrite.renames import plan_renames
from recode.migrate.rewrite.requests import Renamed, RenameRefused, RenameRequest
from recode.migrate.source.edits import Edit, apply, overlap
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Place
from recode.source import parses
from recode.symbol import Symbol

GUESSED_BELOW = 0.75
"""Confidence of a finding below which the receiver was guessed by its name, so that only a test can confirm a rename."""
_GUESSED = "the type of what stands before the name was only guessed"
_NAMED_SUCCESSOR = "the note names a successor, which may need more than another name"
_DEFINED = "the program defines what the library calls, so no release could be asked for the name"
_CONVERTS = "where the library has both, the old name does more than call the new one with the same arguments"
_RELATED = {
    Relation.SAME: (EvidenceLevel.SAME_OBJECT, "a release that has both names has one object under them"),
    Relation.FORWARDS: (EvidenceLevel.FORWARDS, "in a release that has both names, the old one only calls the new one"),
}


@dataclass(frozen=True, eq=False)
class OpenPlace:
    """A finding that no rule rewrites, and that a model may try."""

    finding: Finding
    place: Place
    reason: Reason
    detail: str

    def left_alone(self, model_detail: str = "") -> LeftAlone:
        """Return the finding as left alone; `model_detail` is why the model's rewritings are not taken."""
        return LeftAlone(self.finding, self.reason, self.detail, model_detail=model_detail)


@dataclass
class FilePlan:
    """What was decided about one file.

    Attributes:
        source: the file.
        program: its names; None if it does not parse.
        changes: the renames.
        left: the findings whose code stays as it is.
        open: the findings that a model may try.
        attempts: renames of some open findings that only tests can confirm.
        obstacles: why a learned rule that fits a finding is not followed.
    """

    source: SourceFile
    program: EditableProgram | None
    changes: list[Change] = field(default_factory=list)
    left: list[LeftAlone] = field(default_factory=list)
    open: list[OpenPlace] = field(default_factory=list)
    attempts: list[Change] = field(default_factory=list)
    obstacles: dict[Finding, str] = field(default_factory=dict)


class RulePlan(Protocol):
    """What learned rules make of a file: changes, and the findings that a rule fits without being applicable, with the reason."""

    @property
    def changes(self) -> Sequence[Change]: ...  # noqa: D102

    @property
    def refused(self) -> Sequence[tuple[Finding, str]]: ...  # noqa: D102


ByRules = Callable[[SourceFile, EditableProgram, Sequence[Finding], UpgradeNames], RulePlan]


def plan_file(
    source: SourceFile,
    findings: Sequence[Finding],
    names: UpgradeNames,
    used_elsewhere: UsedElsewhere = lambda name: False,
    by_rules: ByRules | None = None,
) -> FilePlan:
    """Plan the renames of one file; every finding becomes part of a change, left alone, or open.

    Args:
        source: the file.
        findings: its findings.
        names: asks the two releases about names.
        used_elsewhere: whether another file may import a name from this one.
        by_rules: applies learned rules, which come before renames.
    """
    try:
        program = EditableProgram(
            source.tree, source.newline, names.new.reached, used_elsewhere,
            package=source.path.name == "__init__.py",
        )  # fmt: skip
    except RecursionError:
        return FilePlan(source, None, left=[LeftAlone(finding, Reason.TOO_DEEP) for finding in findings])
    except (SyntaxError, ValueError, MemoryError):
        return FilePlan(source, None, left=[LeftAlone(finding, Reason.UNPARSABLE) for finding in findings])
    plan = FilePlan(source, program)
    if by_rules is not None:
        findings = _take_rules(plan, by_rules(source, program, findings, names), findings)
    findings = _take_keywords(plan, program, findings, names)
    places = _places(source, program, findings)
    findings = _take_field_bases(plan, program, findings, places, names)
    requests, refused = check_calls(program, _requests(plan, program, findings, places, names), names)
    for refusal in refused:
        _leave_open(plan, refusal, Reason.DOES_NOT_BIND)
    unchanged = {place.node for place in places.values()} - {request.place.node for request in requests}
    for outcome in plan_renames(program, requests, unchanged):
        _take_outcome(plan, outcome, names)
    _drop_changes_that_break_the_file(plan)
    plan.attempts = _attempts(plan, program, names)
    return plan


def _take_rules(plan: FilePlan, by_rules: RulePlan, findings: Sequence[Finding]) -> list[Finding]:
    """Add the changes that learned rules make to the plan; return the findings that they do not settle."""
    settled: set[Finding] = set()
    for change in by_rules.changes:
        if not overlap([edit for other in plan.changes for edit in other.edits], change.edits):
            plan.changes.append(change)
            settled.update(change.findings)
    plan.obstacles = dict(by_rules.refused)
    return [finding for finding in findings if finding not in settled]


def _take_keywords(
    plan: FilePlan, program: EditableProgram, findings: Sequence[Finding], names: UpgradeNames
) -> list[Finding]:
    """Add the calls that give arguments by name to the plan; return the findings that they do not settle."""
    own = [one for one in findings if one.kind == KIND and not one.guarded and not one.update.old_symbol.parameter]
    planned = plan_keywords(plan.source, program, own, names) if own else KeywordPlan((), ())
    plan.obstacles.update(planned.refused)
    settled: set[Finding] = set()
    for change, confidence in planned.changes:
        if confidence < GUESSED_BELOW:
            change = replace(change, evidence=EvidenceLevel.UNPROVEN, remark=_GUESSED)
        if not overlap([edit for other in plan.changes for edit in other.edits], change.edits):
            plan.changes.append(change)
            settled.update(change.findings)
    return [finding for finding in findings if finding not in settled]


def _take_field_bases(
    plan: FilePlan, program: EditableProgram, findings: Sequence[Finding], places: dict[Finding, Place], names: UpgradeNames
) -> list[Finding]:  # fmt: skip
    """Add the classes that get another base to the plan; return the findings that this does not settle."""
    by_field: dict[Symbol, list[Finding]] = {}
    for finding in findings:
        if not finding.guarded and new_base(finding) is not None:
            by_field.setdefault(finding.update.old_symbol, []).append(finding)
    settled: set[Finding] = set()
    for own in by_field.values():
        found = new_base(own[0])
        assert found is not None
        try:
            edits = field_base_edits(program, places, own)
        except CannotRename as obstacle:
            plan.obstacles.update(dict.fromkeys(own, str(obstacle)))
            continue
        evidence, remark = evidence_of_names(names.new, [found[0]])
        if evidence is not EvidenceLevel.REFUTED and not overlap(
            [edit for one in plan.changes for edit in one.edits], edits
        ):
            plan.changes.append(
                Change(plan.source.path, tuple(own), tuple(edits), Method.SYNTAX_TREE, evidence, remark)
            )
            settled.update(own)
    return [finding for finding in findings if finding not in settled]


def _places(source: SourceFile, program: EditableProgram, findings: Sequence[Finding]) -> dict[Finding, Place]:
    """Return where each finding stands in the tree, for those that stand at a name."""
    places = {}
    for finding in findings:
        try:
            start = source.offset(finding.line, finding.column, finding.cell)
            end = source.offset(finding.end_line, finding.end_column, finding.cell)
        except ValueError:
            continue
        if (place := program.tree.place(start, end)) is not None:
            places[finding] = place
    return places


def _requests(
    plan: FilePlan,
    program: EditableProgram,
    findings: Sequence[Finding],
    places: dict[Finding, Place],
    names: UpgradeNames,
) -> list[RenameRequest]:
    """Return the findings that a rule renames; the others are added to the plan as left alone or open."""
    guarded = {places[finding].node for finding in findings if finding.guarded and finding in places}
    requests = []
    for finding in findings:
        place = places.get(finding)
        if finding.guarded or (place is not None and _is_import_of(program, place, guarded)):
            plan.left.append(LeftAlone(finding, Reason.GUARDED))
        elif place is None:
            plan.left.append(LeftAlone(finding, Reason.NO_NAME))
        else:
            update = finding.update
            proven = names.relation(update.old_symbol, update.new_symbol) in _RELATED
            try:
                rule = rename_rule(update, frozenset({str(update.old_symbol)} if proven else ()))
            except NotARename as obstacle:
                why = plan.obstacles.get(finding)
                fits = "the call" if update.kind == KIND else "a rule fits, but"
                detail = f"{fits} {why}" if why else str(obstacle)
                plan.open.append(OpenPlace(finding, place, Reason.NO_RULE, detail))
            else:
                requests.append(RenameRequest(place, rule.old, rule.new, finding))
    return requests


def _is_import_of(program: EditableProgram, place: Place, imports: Collection[ast.AST]) -> bool:
    """Return whether a name is what one of some imports binds; if those are guarded, it is right in both releases."""
    node = place.node
    if not isinstance(node, ast.Name):
        return False
    bindings = program.scopes.of[node].resolve(node.id)
    return any(binding.alias in imports or binding.node in imports for binding in bindings)


def _leave_open(plan: FilePlan, refusal: RenameRefused, reason: Reason) -> None:
    request = refusal.request
    assert request.finding is not None
    plan.open.append(OpenPlace(request.finding, request.place, reason, refusal.reason))


def _take_outcome(plan: FilePlan, outcome: Renamed | RenameRefused, names: UpgradeNames) -> None:
    """Add a rename to the plan, with the evidence that the two releases give for it."""
    if isinstance(outcome, RenameRefused):
        _leave_open(plan, outcome, Reason.RENAME_REFUSED)
        return
    evidence, remark = _evidence(names, outcome)
    if evidence is not EvidenceLevel.REFUTED and min(f.confidence for f in outcome.findings) < GUESSED_BELOW:
        evidence, remark = EvidenceLevel.UNPROVEN, _GUESSED
    change = Change(plan.source.path, outcome.findings, outcome.edits, Method.SYNTAX_TREE, evidence, remark)
    if evidence is EvidenceLevel.REFUTED:
        plan.left += [LeftAlone(finding, Reason.NAME_MISSING, remark, change) for finding in change.findings]
    elif overlap([edit for other in plan.changes for edit in other.edits], change.edits):
        plan.left += [LeftAlone(finding, Reason.CONFLICT, tried=change) for finding in change.findings]
    else:
        plan.changes.append(change)


def _evidence(names: UpgradeNames, outcome: Renamed) -> tuple[EvidenceLevel, str]:
    """Return the evidence for a rename: that the new name is there, and what the old name is where a release has both."""
    evidence, remark = evidence_of_names(names.new, [request.new for request in outcome.requests])
    if all(isinstance(request.place.node, ast.FunctionDef | ast.AsyncFunctionDef) for request in outcome.requests):
        return EvidenceLevel.BY_NOTE_ALONE, _DEFINED
    if evidence is EvidenceLevel.REFUTED:
        return evidence, remark
    doubt = next((request.doubt for request in outcome.requests if request.doubt), "")
    relations = {names.relation(request.old, request.new) for request in outcome.requests}
    if doubt or Relation.CONVERTS in relations:
        return EvidenceLevel.UNPROVEN, doubt or _CONVERTS
    if evidence is EvidenceLevel.CHECKED_BY_NAME and relations <= _RELATED.keys():
        return _RELATED[Relation.FORWARDS if Relation.FORWARDS in relations else Relation.SAME]
    return evidence, remark


def evidence_of_names(names: ReleaseNames, new: Sequence[Symbol]) -> tuple[EvidenceLevel, str]:
    """Ask the new release for the new names; return the evidence and a remark on it."""
    answers = {name: names.has(name.path, name.parameter) for name in new}
    missing = next((name for name, answer in answers.items() if answer == "no"), None)
    if missing is not None:
        shown = f"{missing.path}({missing.parameter})" if missing.parameter else missing.path
        return EvidenceLevel.REFUTED, f"the new release has no {shown}"
    if all(answer == "yes" for answer in answers.values()):
        return EvidenceLevel.CHECKED_BY_NAME, "the new release has the new name"
    return EvidenceLevel.BY_NOTE_ALONE, "the new release could not be asked for the new name"


def _attempts(plan: FilePlan, program: EditableProgram, names: UpgradeNames) -> list[Change]:
    """Return renames of open findings whose update names a successor, though more than the name may change.

    A rename with which a call does not fit is not tried.
    """
    requests = [
        RenameRequest(open_place.place, rule.old, rule.new, open_place.finding)
        for open_place in plan.open
        if (rule := tentative_rule(open_place.finding.update)) is not None
    ]
    attempts = []
    requests, _ = check_calls(program, requests, names)
    for outcome in plan_renames(program, requests):
        if isinstance(outcome, RenameRefused):
            continue
        if evidence_of_names(names.new, [request.new for request in outcome.requests])[0] is EvidenceLevel.REFUTED:
            continue
        change = Change(
            plan.source.path, outcome.findings, outcome.edits, Method.SYNTAX_TREE, EvidenceLevel.UNPROVEN, _NAMED_SUCCESSOR
        )  # fmt: skip
        attempts.append(change)
    return attempts


def _drop_changes_that_break_the_file(plan: FilePlan) -> None:
    """Leave out changes with which the file would no longer parse.

    All changes are tried together first, and one by one only if that fails.
    """
    program = plan.source.program
    if parses(apply(program, [edit for change in plan.changes for edit in change.edits])):
        return
    kept: list[Edit] = []
    for change in list(plan.changes):
        if parses(apply(program, [*kept, *change.edits])):
            kept += change.edits
        else:
            plan.changes.remove(change)
            plan.left += [LeftAlone(finding, Reason.BREAKS_THE_FILE, tried=change) for finding in change.findings]
