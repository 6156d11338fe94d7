"""Arguments by position that the new release takes by keyword alone: each gets the name that its position has in the old release."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.calls.binding import CallArguments, DoesNotBind, bind
from recode.migrate.rewrite.calls.call_checks import argument_as_keyword
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Method
from recode.migrate.rewrite.name_checks import UpgradeNames
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.source.edits import Edit
from recode.migrate.source.source_file import SourceFile

KIND = "keyword_only"
_NAMED = "the position has this name in the old release, and the new one takes it"


@dataclass(frozen=True)
class KeywordPlan:
    """Calls that give arguments by name, and the findings whose calls cannot be changed, with the reason."""

    changes: tuple[tuple[Change, float], ...]
    """Each with the confidence of its findings."""
    refused: tuple[tuple[Finding, str], ...]


def plan_keywords(
    source: SourceFile, program: EditableProgram, findings: Sequence[Finding], names: UpgradeNames
) -> KeywordPlan:
    """Plan the calls of findings of the kind `keyword_only`.

    Args:
        source: the file.
        program: the same, to be edited.
        findings: findings of that kind, none of them guarded.
        names: asks the two releases for signatures.
    """
    calls: dict[ast.Call, list[Finding]] = {}
    refused = []
    for finding in findings:
        call = _call(source, program, finding)
        if call is None:
            refused.append((finding, "no call stands there"))
        else:
            calls.setdefault(call, []).append(finding)
    changes = []
    for call, found in calls.items():
        try:
            change = _change(source, program, call, found, names)
        except DoesNotBind as obstacle:
            refused += [(finding, str(obstacle)) for finding in found]
        else:
            changes.append((change, min(one.confidence for one in found)))
    return KeywordPlan(tuple(changes), tuple(refused))


def _change(
    source: SourceFile, program: EditableProgram, call: ast.Call, findings: Sequence[Finding], names: UpgradeNames
) -> Change:
    """Return the change of one call.

    Raises:
        DoesNotBind: a release does not say how the function is called, or the new one does not accept the arguments.
    """
    edits, doubt = named_arguments(program, call, findings[0].update.old_symbol.path, names)
    return Change(
        source.path, tuple(findings), edits, Method.SYNTAX_TREE, EvidenceLevel.CHECKED_BY_NAME, doubt or _NAMED
    )  # fmt: skip


def named_arguments(
    program: EditableProgram, call: ast.Call, path: str, names: UpgradeNames
) -> tuple[tuple[Edit, ...], str]:
    """Return the edits that give a call's arguments by name where the new release asks for it, and what remains doubtful.

    Args:
        program: the program.
        call: the call.
        path: what it calls, the same in both releases.
        names: asks the two releases for signatures.

    Raises:
        DoesNotBind: a release does not say how the function is called, or the new one does not accept the arguments.
    """
    old, new = names.old.signature(path), names.new.signature(path)
    if old is None or new is None:
        raise DoesNotBind("the releases do not say which parameter each position is")
    old, new = (one.without_first() if one.takes_self else one for one in (old, new))
    starred = next((n for n, one in enumerate(call.args) if isinstance(one, ast.Starred)), None)
    arguments = CallArguments(
        positionals=len(call.args) if starred is None else starred,
        keywords=tuple((word.arg, word.arg) for word in call.keywords if word.arg is not None),
        starred=starred is not None,
        double_starred=any(word.arg is None for word in call.keywords),
    )
    bound = bind(arguments, old, new)
    if not bound.as_keywords:
        raise DoesNotBind("the signatures do not show which argument has to be given by name")
    return tuple(argument_as_keyword(program, call, *one) for one in bound.as_keywords), bound.doubt


def _call(source: SourceFile, program: EditableProgram, finding: Finding) -> ast.Call | None:
    """Return the call that a finding is about: one of its arguments by position, or its name, stands at the place."""
    try:
        start = source.offset(finding.line, finding.column, finding.cell)
        end = source.offset(finding.end_line, finding.end_column, finding.cell)
    except ValueError:
        return None
    for node in program.tree.nodes:
        if isinstance(node, ast.Call):
            if any(program.tree.span(argument)[0] == start for argument in node.args):
                return node
            if program.tree.span(node.func)[1] == end:
                return node
    return None
