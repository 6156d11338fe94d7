"""The HTML report of a migration: one self-contained file with the diffs side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recode.display import printable
from recode.html import template
from recode.migrate.report.summary import PlaceReport, counts, places, tests
from recode.migrate.report.wording import conclusion_lines, reason_text
from recode.migrate.result import MigrationResult
from recode.migrate.rewrite.changes import Change, LeftAlone
from recode.migrate.source.edits import apply
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.text import lines_of

_FOLDER = Path(__file__).parent
_CONTEXT = 3
"""Unchanged lines around a change."""


@dataclass(frozen=True)
class _Part:
    """A piece of a line; marked if it differs from the other side."""

    text: str
    marked: bool = False


@dataclass(frozen=True)
class _Side:
    """One side of a row: its line number, its CSS class (`old`, `new` or empty) and its text."""

    number: int | str
    kind: str
    parts: Sequence[_Part]


_Row = tuple[_Side, _Side] | None
"""The old and the new line; None for lines that are left out."""


def report_page(result: MigrationResult) -> str:
    """Return the page."""
    upgrade = result.upgrade
    page = template(_FOLDER, "page.html.jinja")
    return page.render(
        title=f"{upgrade.library} {upgrade.old} → {upgrade.new}",
        style=(_FOLDER / "page.css").read_text(encoding="utf-8"),
        project=printable(result.root.resolve().name),
        files=result.scanned.files,
        lines=result.scanned.lines,
        findings=len(result.scanned.findings),
        counts=counts(result),
        tests=tests(result),
        remarks=[printable(line) for line in (*conclusion_lines(result), *result.remarks)],
        changed=list(_changed_files(result)),
        left=[_left(result, place) for place in result.left],
        skipped=[
            {"name": printable(skip.file.as_posix()), "reason": printable(skip.reason)}
            for skip in result.scanned.skipped
        ],
    )


def _changed_files(result: MigrationResult) -> Iterator[dict[str, Any]]:
    by_file: dict[Path, list[Change]] = {}
    for change in result.changes:
        by_file.setdefault(change.file, []).append(change)
    by_change: dict[Path, list[PlaceReport]] = {}
    for place in places(result):
        if place.change is not None:
            by_change.setdefault(place.change.file, []).append(place)
    for path, changes in by_file.items():
        yield {
            "name": printable(path.as_posix()),
            "places": by_change[path],
            "rows": side_by_side(result.sources[path], changes),
        }


def _left(result: MigrationResult, place: LeftAlone) -> dict[str, Any]:
    finding, tried = place.finding, place.tried
    shown = tried if tried is not None and tried.edits and tried.file in result.sources else None
    return {
        "where": f"{printable(finding.file.as_posix())}:{finding.line}",
        "finding": finding,
        "reason": printable(reason_text(place, result.sources.get(place.finding.file))),
        "tried": shown,
        "rows": side_by_side(result.sources[shown.file], [shown]) if shown is not None else [],
    }


def side_by_side(source: SourceFile, changes: Sequence[Change]) -> list[_Row]:
    """Return the lines around changes, each with its old and its new side."""
    before = [line.rstrip("\r\n") for line in lines_of(source.program)]
    program = apply(source.program, [edit for change in changes for edit in change.edits])
    after = [line.rstrip("\r\n") for line in lines_of(program)]
    rows: list[_Row] = []
    for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(_CONTEXT):
        if rows:
            rows.append(None)
        for tag, a, b, c, d in group:
            for step in range(max(b - a, d - c)):
                old = (a + step, before[a + step]) if a + step < b else None
                new = (c + step, after[c + step]) if c + step < d else None
                rows.append(_row(old, new, changed=tag != "equal"))
    return rows


def _row(old: tuple[int, str] | None, new: tuple[int, str] | None, *, changed: bool) -> _Row:
    if changed and old is not None and new is not None:
        old_parts, new_parts = _marked(old[1], new[1])
    else:
        old_parts, new_parts = ([_Part(side[1])] if side is not None else [] for side in (old, new))
    return _side(old, "old" if changed else "", old_parts), _side(new, "new" if changed else "", new_parts)


def _side(line: tuple[int, str] | None, kind: str, parts: Sequence[_Part]) -> _Side:
    return _Side("", "", []) if line is None else _Side(line[0] + 1, kind, parts)


def _marked(old: str, new: str) -> tuple[list[_Part], list[_Part]]:
    """Return two lines in parts, with the characters marked that differ."""
    before: list[_Part] = []
    after: list[_Part] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for parts, text in ((before, old[a:b]), (after, new[c:d])):
            if text:
                parts.append(_Part(text, tag != "equal"))
    return before, after
