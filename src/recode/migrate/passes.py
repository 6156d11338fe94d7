"""Rewriting a file in several passes: what a rewriting leaves inside or beside itself is rewritten next.

A rule replaces a call whose argument another rule is about, or writes code that a third rule completes. Each pass plans on the
text that the passes before it made; its edits are then expressed as edits of the user's file, so that everything after planning
sees one list of changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Reason
from recode.migrate.rewrite.planning import FilePlan
from recode.migrate.source.composing import ComposedEdit, composed, later_offset, original_offset
from recode.migrate.source.edits import Edit, merged
from recode.migrate.source.grouping import grouped
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.text import Unreadable

PASSES = 4
"""Largest number of passes over a file."""
_STRENGTH = {level: number for number, level in enumerate(EvidenceLevel)}
_WORTH_ANOTHER_PASS = frozenset({Reason.CONFLICT, Reason.NO_RULE, Reason.DOES_NOT_BIND, Reason.RENAME_REFUSED})
"""Why a place stays as it is that may not hold once the code around it is rewritten."""

PlanOnce = Callable[[SourceFile, Sequence[Finding]], FilePlan]
FindMore = Callable[[SourceFile, Sequence[Finding]], Sequence[Finding]]
"""The places of a rewritten file that rules match, beside known ones."""


def plan_in_passes(
    source: SourceFile, findings: Sequence[Finding], plan_once: PlanOnce, find_more: FindMore | None = None
) -> FilePlan:
    """Plan the rewritings of one file, until a pass finds nothing more.

    Args:
        source: the file.
        findings: its findings.
        plan_once: plans the rewritings of a text.
        find_more: finds what rules match in a text that was rewritten; None where there are no rules.
    """
    plan = plan_once(source, findings)
    if source.cells:
        # An edit of a notebook stays within its cell, which a composed one need not.
        return plan
    for _ in range(PASSES - 1):
        if not plan.changes or not _next_pass(plan, plan_once, find_more):
            break
    return plan


def _next_pass(plan: FilePlan, plan_once: PlanOnce, find_more: FindMore | None) -> bool:
    """Plan once more on the text that the plan makes, and take what it adds into the plan; return whether there was anything."""
    first = merged(edit for change in plan.changes for edit in change.edits)
    try:
        later = SourceFile.from_bytes(plan.source.path, plan.source.encoded(first))
        moved = _moved(plan, later, first)
        more = list(find_more(later, list(moved))) if find_more is not None else []
    except (Unreadable, SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    more = [one for one in more if not _repeats(one, plan, later, first)]
    if not more and not moved:
        return False
    following = plan_once(later, [*moved, *more])
    changes = [change for change in following.changes if change.edits]
    if not changes:
        return False
    return _take(plan, _Pass(later, tuple(first), moved), changes)


@dataclass(frozen=True)
class _Pass:
    """The text of a pass, what made it of the user's file, and the findings that were carried over, by their new position."""

    later: SourceFile
    first: tuple[Edit, ...]
    moved: dict[Finding, Finding]


def _moved(plan: FilePlan, later: SourceFile, first: Sequence[Edit]) -> dict[Finding, Finding]:
    """Return the findings that are worth another pass, where they stand in the rewritten text → the finding."""
    waiting = [place.finding for place in plan.open]
    waiting += [place.finding for place in plan.left if place.reason in _WORTH_ANOTHER_PASS]
    moved = {}
    for finding in waiting:
        start = plan.source.offset(finding.line, finding.column)
        end = plan.source.offset(finding.end_line, finding.end_column)
        new_start, new_last = later_offset(first, start), later_offset(first, max(start, end - 1))
        if new_start is not None and new_last is not None:
            moved[_at(finding, later, new_start, new_last + (end > start))] = finding
    return moved


def _at(finding: Finding, source: SourceFile, start: int, end: int) -> Finding:
    """Return a finding at another place: offsets of a text."""
    line, end_line = source.tree.line_of(start), source.tree.line_of(end)
    starts = source.tree.starts
    return replace(
        finding,
        line=line,
        column=start - starts[line - 1] + 1,
        end_line=end_line,
        end_column=end - starts[end_line - 1] + 1,
    )


def _repeats(finding: Finding, plan: FilePlan, later: SourceFile, first: Sequence[Edit]) -> bool:
    """Say whether a rule matches what it wrote itself."""
    offset = later.offset(finding.line, finding.column)
    if original_offset(first, offset) is not None:
        return False
    writers = [change for change in plan.changes if _writes(change, first, offset)]
    return any(one.update == finding.update for change in writers for one in change.findings)


def _writes(change: Change, first: Sequence[Edit], offset: int) -> bool:
    shift = 0
    for edit in first:
        start = edit.start + shift
        if start <= offset < start + len(edit.text) and edit in change.edits:
            return True
        shift += len(edit.text) - (edit.end - edit.start)
    return False


# --- one list of changes ---


def _take(plan: FilePlan, made: _Pass, changes: Sequence[Change]) -> bool:
    """Put the changes of a pass into the plan, joined with those whose text they rewrite."""
    taken = list(changes)
    while taken:
        try:
            joined = _Joining(plan, made, taken).changes()
        except ValueError:
            # The last one overlaps another.
            taken.pop()
            continue
        plan.changes[:] = joined
        settled = {finding for change in joined for finding in change.findings}
        plan.open = [place for place in plan.open if place.finding not in settled]
        plan.left = [place for place in plan.left if place.finding not in settled]
        plan.attempts = [change for change in plan.attempts if settled.isdisjoint(change.findings)]
        return True
    return False


class _Joining:
    """The changes of all passes so far and of one more, as changes of the user's file.

    Raises:
        ValueError: edits overlap.
    """

    def __init__(self, plan: FilePlan, made: _Pass, taken: Sequence[Change]) -> None:
        self._source, self._made, self._before, self._taken = plan.source, made, list(plan.changes), taken
        edits = (edit for change in taken for edit in change.edits)
        self._parts = composed(plan.source.program, made.first, edits)

    def changes(self) -> list[Change]:
        """Return the changes: those that an edit of both joins are one."""
        linked = (self._owners(part) for part in self._parts if part.first and part.second)
        return [self._one(group) for group in grouped((*self._before, *self._taken), linked)]

    def _owners(self, part: ComposedEdit) -> list[Change]:
        before = [change for change in self._before if not part.first.isdisjoint(change.edits)]
        return before + [change for change in self._taken if not part.second.isdisjoint(change.edits)]

    def _one(self, group: Sequence[Change]) -> Change:
        """Return the changes of a group as one change, with the weakest evidence of any."""
        edits = [part.edit for part in self._parts if any(owner in group for owner in self._owners(part))]
        findings: list[Finding] = []
        for change in group:
            findings += change.findings if change in self._before else filter(None, map(self._in_file, change.findings))
        weakest = max(group, key=lambda change: _STRENGTH[change.evidence])
        remarks = dict.fromkeys(change.remark for change in group if change.evidence is weakest.evidence)
        if not findings:
            raise ValueError("a change of a place that is not the file's")
        return replace(
            weakest,
            findings=tuple(dict.fromkeys(findings)),
            edits=tuple(dict.fromkeys(edits)),
            remark="; ".join(filter(None, remarks)),
        )

    def _in_file(self, finding: Finding) -> Finding | None:
        """Return a finding of the rewritten text where it stands in the user's file; None where a rewriting wrote the place."""
        if finding in self._made.moved:
            return self._made.moved[finding]
        later = self._made.later
        offsets = later.offset(finding.line, finding.column), later.offset(finding.end_line, finding.end_column) - 1
        start, last = (original_offset(self._made.first, offset) for offset in offsets)
        return None if start is None or last is None or last < start else _at(finding, self._source, start, last + 1)
