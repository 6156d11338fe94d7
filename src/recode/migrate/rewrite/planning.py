"""The path without a model for one file: findings → renames by syntax tree, and what is left for a model or a person."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.changes import Change, Evidence, Left
from recode.migrate.rewrite.name_checks import Names
from recode.migrate.rewrite.rename_rules import attempt, plain
from recode.migrate.rewrite.renames import Refused, Renamed, Renamer, UsedElsewhere, Wanted
from recode.migrate.source.edits import Edit, apply, overlap
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Place, Tree
from recode.source import parses
from recode.symbol import Symbol

SURE = 0.75
"""Confidence of a finding below which its rename needs a test that proves it: the receiver was told by its name alone."""

GUARDED = "guarded: the code around it tells releases apart"


@dataclass
class FilePlan:
    """What was found out about one file.

    `open` are findings that a model may try, with the reason why no rename will do; `attempts` are renames of some of them, for
    tests to decide.
    """

    document: SourceFile
    renamer: Renamer | None
    changes: list[Change] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    open: list[tuple[Finding, Place, str]] = field(default_factory=list)
    attempts: list[Change] = field(default_factory=list)


def plan_file(
    document: SourceFile, findings: Sequence[Finding], names: Names, same: frozenset[str] = frozenset(),
    used_elsewhere: UsedElsewhere = lambda name: False,
) -> FilePlan:  # fmt: skip
    """Plan the renames of one file; every finding comes out as a change, left alone, or open."""
    try:
        tree = document.tree
        renamer = Renamer(
            tree, document.newline, names.reached, used_elsewhere, package=document.path.name == "__init__.py"
        )
    except RecursionError:
        return FilePlan(document, None, left=[Left(one, "nested too deeply") for one in findings])
    except (SyntaxError, ValueError, MemoryError):
        return FilePlan(
            document, None, left=[Left(one, "the file does not parse with this Python") for one in findings]
        )
    plan = FilePlan(document, renamer)
    places = {key: place for key, one in enumerate(findings) if (place := _place(document, tree, one)) is not None}
    guarded = {places[key].node for key, one in enumerate(findings) if one.guarded and key in places}
    wanted: dict[int, Wanted] = {}
    for key, finding in enumerate(findings):
        place = places.get(key)
        if finding.guarded or (place is not None and _is_import_of(renamer, place, guarded)):
            plan.left.append(Left(finding, GUARDED))
        elif place is None:
            plan.left.append(Left(finding, "no name of the program stands there (within a string, or written apart)"))
        elif isinstance(found := plain(finding.update, same), str):
            plan.open.append((finding, place, found))
        else:
            wanted[key] = Wanted(key, place, *found)
    stay = {place.node for place in places.values()} - {one.place.node for one in wanted.values()}
    for done in renamer.plan(list(wanted.values()), stay):
        if isinstance(done, Refused):
            plan.open.append((findings[done.key], wanted[done.key].place, done.reason))
            continue
        settled = tuple(findings[key] for key in done.keys)
        evidence, remark = checked(names, [wanted[key].new for key in done.keys])
        if evidence != "refuted" and min(one.confidence for one in settled) < SURE:
            evidence, remark = "unproven", "what stands before the name was only guessed"
        change = Change(document.path, settled, done.edits, "syntax tree", evidence, remark)
        if evidence == "refuted":
            plan.left += [Left(one, remark, change) for one in settled]
        else:
            _take(plan, change)
    _drop_what_does_not_parse(plan)
    _attempt(plan, renamer, names)
    return plan


def _is_import_of(renamer: Renamer, place: Place, imports: Collection[ast.AST]) -> bool:
    """Say whether a name is what one of some imports binds: where those are guarded, it is the right name in both releases."""
    node = place.node
    if not isinstance(node, ast.Name):
        return False
    return any(one.alias in imports or one.node in imports for one in renamer.scopes.of[node].resolve(node.id))


def _attempt(plan: FilePlan, renamer: Renamer, names: Names) -> None:
    """Plan renames for open findings whose update names a successor, though it may take more than its name."""
    wanted = []
    for key, (finding, place, _) in enumerate(plan.open):
        if (pair := attempt(finding.update)) is not None:
            wanted.append(Wanted(key, place, *pair))
    new = {one.key: one.new for one in wanted}
    for done in renamer.plan(wanted):
        if isinstance(done, Renamed) and checked(names, [new[key] for key in done.keys])[0] != "refuted":
            settled = tuple(plan.open[key][0] for key in done.keys)
            remark = "the note names a successor, which may take more than its name"
            plan.attempts.append(Change(plan.document.path, settled, done.edits, "syntax tree", "unproven", remark))


def checked(names: Names, new: Sequence[Symbol]) -> tuple[Evidence, str]:
    """Ask the new release for the new names."""
    answers = {one: names.known(one.path, one.parameter) for one in new}
    absent = [one for one, answer in answers.items() if answer == "no"]
    if absent:
        one = absent[0]
        shown = f"{one.path}({one.parameter})" if one.parameter else one.path
        return "refuted", f"the new release has no {shown}"
    if all(answer == "yes" for answer in answers.values()):
        return "checked by name", "the new release has the new name"
    return "by the note alone", "the new release could not be asked for the new name"


def _place(document: SourceFile, tree: Tree, finding: Finding) -> Place | None:
    try:
        start = document.offset(finding.line, finding.column, finding.cell)
        end = document.offset(finding.end_line, finding.end_column, finding.cell)
    except ValueError:
        return None
    return tree.place(start, end)


def _take(plan: FilePlan, change: Change) -> None:
    """Add a change unless it stands in the way of another."""
    if overlap([edit for one in plan.changes for edit in one.edits], change.edits):
        reason = "another change stands at the same place; run again after it"
        plan.left += [Left(one, reason, change) for one in change.findings]
    else:
        plan.changes.append(change)


def _drop_what_does_not_parse(plan: FilePlan) -> None:
    """Leave out changes with which the file would not parse: all are tried together, and one by one only where that fails."""
    program = plan.document.program
    if parses(apply(program, [edit for one in plan.changes for edit in one.edits])):
        return
    kept: list[Edit] = []
    for change in list(plan.changes):
        if parses(apply(program, [*kept, *change.edits])):
            kept += change.edits
        else:
            plan.changes.remove(change)
            plan.left += [Left(one, "the file would not parse", change) for one in change.findings]
