"""The sentences for every reason and every outcome; no code decides by them."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from enum import StrEnum

from recode.migrate.find.findings import Finding
from recode.migrate.prove.conclusion import BrokenPlace, ChangedValue, MigrationVerdict
from recode.migrate.result import MigrationResult
from recode.migrate.rewrite.changes import Change, LeftAlone, Reason
from recode.migrate.source.source_file import SourceFile


class PlaceOutcome(StrEnum):
    """What became of a place, in the order of reports: the best first."""

    PROVEN = "proven"
    SAME_OBJECT = "same object"
    FORWARDS = "plain forward"
    EQUAL = "equal on generated arguments"
    RAN = "ran"
    BY_RULE = "by a proven rule"
    CHECKED_BY_NAME = "checked by name"
    BY_NOTE_ALONE = "by the note alone"
    UNPROVEN = "unproven"
    REFUTED = "refuted"
    GUARDED = "guarded"
    RUNS_AS_BEFORE = "runs as before"
    LEFT_ALONE = "left alone"


NEEDS_ATTENTION = frozenset({PlaceOutcome.LEFT_ALONE, PlaceOutcome.UNPROVEN, PlaceOutcome.REFUTED})
"""The outcomes with which a person has to look at the place."""

_SENTENCES = {
    Reason.GUARDED: "guarded: the code around it distinguishes the releases",
    Reason.UNREADABLE: "",
    Reason.UNPARSABLE: "the file does not parse with this Python",
    Reason.TOO_DEEP: "nested too deeply",
    Reason.NO_NAME: "there is no name of the program at this place (it is within a string, or split over lines)",
    Reason.NO_RULE: "",
    Reason.RENAME_REFUSED: "",
    Reason.DOES_NOT_BIND: "",
    Reason.TYPES: "the type checker objects to the rewriting",
    Reason.CONFLICT: "another change touches the same place; run again after it",
    Reason.BREAKS_THE_FILE: "the file would not parse with the change",
    Reason.NAME_MISSING: "",
    Reason.FAILING_TEST: "a test that reaches the rewriting ends differently than before",
    Reason.REFUTED: "refuted by a test",
    Reason.UNPROVEN: "nothing proves the rewriting",
    Reason.RUNS_AS_BEFORE: "the code runs as it is in the new release, and what reaches it ends as before",
    Reason.NOT_TAKEN: "not taken",
}
"""What each reason says; empty where its detail says it all."""
_LONGEST_CODE = 60
_LONGEST_LINE = 70
_MOST_LINES = 12
"""Largest number of broken places, or of changed values, that are shown."""
_A_MODEL_MAY_HELP = frozenset({Reason.NO_RULE, Reason.RENAME_REFUSED, Reason.DOES_NOT_BIND})


def outcome_of_change(change: Change) -> PlaceOutcome:
    """Return the outcome of the places of a change that is made."""
    return PlaceOutcome(change.evidence.value)


def outcome_of_left(place: LeftAlone) -> PlaceOutcome:
    """Return the outcome of a place that stays as it is; a rewriting with too little evidence gives its own."""
    if place.reason in (Reason.GUARDED, Reason.RUNS_AS_BEFORE):
        return PlaceOutcome(place.reason.value)
    if place.tried is None or place.tried.offered:
        return PlaceOutcome.LEFT_ALONE
    return PlaceOutcome(place.tried.evidence.value)


def reason_text(place: LeftAlone, source: SourceFile | None = None) -> str:
    """Return why a place stays as it is, as one line; with its file, the sentence can quote the code."""
    if place.reason is Reason.NO_RULE:
        text = f"no rule covers `{_code(place.finding, source)}` yet"
    else:
        text = ": ".join(part for part in (_SENTENCES[place.reason], place.detail) if part)
    if place.model_detail:
        text += f"; the model's rewritings were not taken: {place.model_detail}"
    return text


def a_model_may_help(result: MigrationResult) -> str:
    """Return the advice to name a model, where none was asked and some place could use one; else empty."""
    count = sum(place.is_open and place.reason in _A_MODEL_MAY_HELP for place in result.left)
    if not count or result.options.uses_model:
        return ""
    return f"{count} {'place is' if count == 1 else 'places are'} open: name a model (--model or --endpoint) to have rewritings proposed"


def _code(finding: Finding, source: SourceFile | None) -> str:
    """Return the code of a finding: the call around its name, in one short line; without the file, the name of the API."""
    if source is None:
        return str(finding.symbol)
    try:
        start = source.offset(finding.line, finding.column, finding.cell)
        end = source.offset(finding.end_line, finding.end_column, finding.cell)
        tree = source.tree
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return str(finding.symbol)
    best, size = source.program[start:end], len(source.program) + 1
    for node in tree.nodes:
        if isinstance(node, ast.Call | ast.Import | ast.ImportFrom):
            first, last = tree.span(node)
            if first <= start and end <= last and last - first < size:
                best, size = source.program[first:last], last - first
    return textwrap.shorten(best, _LONGEST_CODE, placeholder=" …") or str(finding.symbol)


# --- how it ended ---


def conclusion_lines(result: MigrationResult) -> list[str]:
    """Return how the migration ended, the verdict first; empty before the last check."""
    conclusion = result.conclusion
    if conclusion is None:
        return []
    upgrade = result.upgrade
    releases = f"{upgrade.library} {upgrade.old} and {upgrade.new}"
    if conclusion.verdict is MigrationVerdict.WORKS:
        lines = [f"works as before: {_listed(conclusion.ran)}, the same in {releases}"]
    elif conclusion.verdict is MigrationVerdict.CHANGED:
        lines = ["works, with these values changed:"]
        lines += _cut([f"  {_beside(value)}" for value in conclusion.changed])
    elif conclusion.verdict is MigrationVerdict.BROKEN:
        lines = _cut([f"still broken{_at(place)}: {place.error}" for place in conclusion.broken])
    else:
        done = (
            "every place that is known to break was rewritten"
            if result.changes
            else "no use of anything that breaks was found"
        )
        lines = [f"{done}; nothing was run that shows how the project behaves in {upgrade.library} {upgrade.new}"]
    if conclusion.imported and conclusion.verdict is not MigrationVerdict.BROKEN:
        lines.append(f"modules that can be imported in {upgrade.library} {upgrade.new}: {conclusion.imported}")
    lines += [f"not checked: {reason}" for reason in conclusion.unchecked]
    return [*lines, *conclusion.notes]


def _listed(commands: Sequence[str]) -> str:
    return ", ".join(f"`{command}`" for command in commands)


def _at(place: BrokenPlace) -> str:
    if place.file is None:
        return ""
    return f" at {place.file.as_posix()}" + (f":{place.line}" if place.line else "")


def _beside(value: ChangedValue) -> str:
    return f"`{value.where}`: {_short(value.old)} → {_short(value.new)}"


def _short(line: str) -> str:
    return repr(textwrap.shorten(line, _LONGEST_LINE, placeholder=" …")) if line else "no such line"


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"  and {more} more"]
