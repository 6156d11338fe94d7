"""The HTML report of a migration: one file that needs nothing else, with the diffs side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from recode.migrate.find.findings import readable
from recode.migrate.pipeline import Migrated
from recode.migrate.report.summary import counts, places, tests
from recode.migrate.rewrite.changes import Change, Left
from recode.migrate.source.edits import apply
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.text import lines_of

_CONTEXT = 3


def report_page(result: Migrated) -> str:
    """Return the page."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    asked = result.asked
    title = f"{asked.library} {asked.old} → {asked.new}"
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main><h1>{escape(title)}</h1>",
        f"<p>{escape(readable(Path(result.root.resolve().name)))}: {result.scanned.files} files, {result.scanned.lines:,} lines, "
        f"{len(result.scanned.findings)} places.</p>",
        _counts(result),
        _tests(result),
        "<h2>Changes</h2>" if result.changes else "<h2>No changes</h2>",
        *_changes(result),
        *_left(result),
        *_skipped(result),
        "</main></body></html>",
    ]
    return "\n".join(part for part in parts if part)


def _counts(result: Migrated) -> str:
    cards = [f"<li class='{_class(name)}'><b>{count}</b> {escape(name)}</li>" for name, count in counts(result).items()]
    return f"<ul class=cards>{''.join(cards)}</ul>"


def _class(outcome: str) -> str:
    return outcome.replace(" ", "-")


def _tests(result: Migrated) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in tests(result).items()
    )
    remarks = "".join(f"<p class=remark>{escape(one)}</p>" for one in result.remarks)
    return (f"<h2>Tests</h2><table class=facts>{rows}</table>" if rows else "") + remarks


def _changes(result: Migrated) -> Iterator[str]:
    by_file: dict[Path, list[Change]] = {}
    for change in result.changes:
        by_file.setdefault(change.file, []).append(change)
    rows = places(result)
    for path, changes in by_file.items():
        yield f"<section><h3>{escape(readable(path))}</h3><ul class=places>"
        for row in rows:
            if row["file"] == readable(path) and any(row["outcome"] == one.evidence for one in changes):
                yield (
                    f"<li><span class='badge {_class(row['outcome'])}'>{escape(row['outcome'])}</span> line {row['line']}: "
                    f"<code>{escape(row['symbol'])}</code> by {escape(row['how'])}; {escape(row['remark'])}"
                    f"<details><summary>the note</summary>{escape(row['advice'])}<br><q>{escape(row['evidence'])}</q></details></li>"
                )
        document = result.documents[path]
        yield "</ul>" + side_by_side(document, changes) + "</section>"


def _left(result: Migrated) -> Iterator[str]:
    if not result.left:
        return
    yield "<h2>Left alone</h2>"
    for one in result.left:
        finding = one.finding
        where = f"{readable(finding.file)}:{finding.line}"
        yield (
            f"<section><h3>{escape(where)} <code>{escape(finding.symbol)}</code></h3><p>{escape(one.reason)}</p>"
            f"<p class=note>{escape(finding.advice)}</p>{_tried(result, one)}</section>"
        )


def _tried(result: Migrated, one: Left) -> str:
    if one.tried is None or not one.tried.edits or one.tried.file not in result.documents:
        return ""
    shown = side_by_side(result.documents[one.tried.file], [one.tried])
    return f"<details><summary>what was tried ({escape(one.tried.how)}, {escape(one.tried.evidence)})</summary>{shown}</details>"


def _skipped(result: Migrated) -> Iterator[str]:
    if result.scanned.skipped:
        yield "<h2>Not looked at</h2><ul>"
        for one in result.scanned.skipped:
            yield f"<li><code>{escape(readable(one.file))}</code>: {escape(one.reason)}</li>"
        yield "</ul>"


def side_by_side(document: SourceFile, changes: Sequence[Change]) -> str:
    """Return a table of the lines around changes, the old code on the left and the new on the right."""
    before = [line.rstrip("\r\n") for line in lines_of(document.program)]
    program = apply(document.program, [edit for change in changes for edit in change.edits])
    after = [line.rstrip("\r\n") for line in lines_of(program)]
    rows: list[str] = []
    for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(_CONTEXT):
        if rows:
            rows.append("<tr class=gap><td colspan=4>…</td></tr>")
        for tag, a, b, c, d in group:
            for step in range(max(b - a, d - c)):
                left = a + step if a + step < b else None
                right = c + step if c + step < d else None
                old = before[left] if left is not None else None
                new = after[right] if right is not None else None
                rows.append(_row(tag, left, old, right, new))
    return f"<table class=diff>{''.join(rows)}</table>"


def _row(tag: str, left: int | None, old: str | None, right: int | None, new: str | None) -> str:
    if tag == "equal" or old is None or new is None:
        shown = [escape(old) if old is not None else "", escape(new) if new is not None else ""]
    else:
        shown = _marked(old, new)
    kinds = ("", "") if tag == "equal" else ("old" if old is not None else "", "new" if new is not None else "")
    numbers = ["" if one is None else str(one + 1) for one in (left, right)]
    return (
        f"<tr><th>{numbers[0]}</th><td class='{kinds[0]}'>{shown[0]}</td>"
        f"<th>{numbers[1]}</th><td class='{kinds[1]}'>{shown[1]}</td></tr>"
    )


def _marked(old: str, new: str) -> list[str]:
    """Return two lines with the characters marked that differ."""
    sides: list[list[str]] = [[], []]
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for side, text in zip(sides, (old[a:b], new[c:d]), strict=True):
            if text:
                side.append(escape(text) if tag == "equal" else f"<mark>{escape(text)}</mark>")
    return ["".join(side) for side in sides]
