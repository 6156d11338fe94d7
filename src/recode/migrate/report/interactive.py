"""Asking the user about every change: yes, no, or edit."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from recode.display import printable
from recode.errors import RecodeError
from recode.migrate.report.terminal import print_diff
from recode.migrate.result import MigrationResult
from recode.migrate.rewrite.changes import Change, EvidenceLevel
from recode.migrate.source.edits import Edit, apply, overlap
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.text import Unreadable
from recode.source import parses

Ask = Callable[[str], str]
"""Asks a question and returns the answer; raises EOFError if standard input has ended."""
Editor = Callable[[str], str | None]
"""Lets the user edit a text; returns None if they give up."""
_QUESTION = "Take it? [y]es, [n]o, [e]dit, [a]ll that are offered, [q]uit: "


class _Region(NamedTuple):
    """Whole lines of a program, and the edits in them."""

    start: int
    end: int
    edits: tuple[Edit, ...]


def takeable(result: MigrationResult) -> list[Change]:
    """Return every change that a user may take: the offered ones, and the rewritings that nothing proves."""
    tried = dict.fromkeys(place.tried for place in result.left if place.tried is not None and place.tried.edits)
    return sorted([*result.offered, *tried], key=lambda change: (change.file.as_posix(), change.edits[0].start))


def ask_for_each(
    result: MigrationResult, console: Console, ask: Ask = input, editor: Editor | None = None
) -> list[Change]:
    """Show each change, and each rewriting that nothing proves, and return those that the user takes.

    The answer `q` keeps what was taken so far, `a` takes every offered change that remains.
    """
    changes = takeable(result)
    taken: list[Change] = []
    take_rest = False
    for number, change in enumerate(changes, start=1):
        if any(other.file == change.file and overlap(other.edits, change.edits) for other in taken):
            continue
        if take_rest:
            taken += [change] if change.offered else []
            continue
        console.rule(f"{number} of {len(changes)}: {printable(change.file.as_posix())}")
        _show(result, change, console)
        answer, edited_change = _answer(ask), None
        while answer == "e":
            edited_change = _edited_change(result, change, console, editor or open_editor)
            if edited_change is not None:
                break
            answer = _answer(ask)
        match answer:
            case "e" if edited_change is not None:
                taken.append(edited_change)
            case "y":
                taken.append(change)
            case "q":
                break
            case "a":
                take_rest = True
                taken += [change] if change.offered else []
    return taken


def _show(result: MigrationResult, change: Change, console: Console) -> None:
    symbols = ", ".join(sorted({finding.symbol for finding in change.findings}))
    console.print(f"{symbols}: {change.evidence} (by {change.method}); {printable(change.remark)}", markup=False)
    console.print(change.findings[0].advice, style="dim", markup=False)
    print_diff(console, result.files([change]))


def _answer(ask: Ask) -> str:
    while True:
        try:
            answer = ask(_QUESTION).strip().lower()[:1]
        except EOFError:
            return "q"
        if answer in {"y", "n", "e", "a", "q"}:
            return answer


def _edited_change(result: MigrationResult, change: Change, console: Console, editor: Editor) -> Change | None:
    """Let the user edit a change; None, with the reason printed, if there is no edited change."""
    try:
        edited = edit_change(
            result.sources[change.file], change, editor, lambda text: console.print(text, markup=False)
        )
    except (OSError, ValueError, RecodeError) as error:
        console.print(f"the editor cannot be used: {error}", markup=False)
        return None
    if edited is None:
        console.print("nothing was taken from the editor", markup=False)
    return edited


def edit_change(source: SourceFile, change: Change, editor: Editor, on_fault: Callable[[str], None]) -> Change | None:
    """Let the user edit the lines that a change touches, repeatedly while the file could not be written so.

    Args:
        source: the file.
        change: the change to begin with.
        editor: called with the lines of each region.
        on_fault: called with a description of the fault in the edited file.

    Returns:
        The edited change; None if the user gives up.

    Raises:
        OSError, ValueError, RecodeError: the editor cannot be run, or returns no text.
    """
    regions = _regions(source, change.edits)
    texts = []
    for start, end, inside in regions:
        shifted = [Edit(edit.start - start, edit.end - start, edit.text) for edit in inside]
        texts.append(apply(source.program[start:end], shifted).replace("\r\n", "\n").replace("\r", "\n"))
    while True:
        edited = []
        for shown in texts:
            text = editor(shown)
            if text is None:
                return None
            edited.append(text)
        edits = [_edit(source, region, text) for region, text in zip(regions, edited, strict=True)]
        fault = _fault(source, edits)
        if not fault:
            return replace(change, edits=tuple(edits), evidence=EvidenceLevel.UNPROVEN, remark="edited by hand")
        on_fault(fault)
        if edited == texts:
            return None
        texts = edited


def _fault(source: SourceFile, edits: Sequence[Edit]) -> str:
    """Return why a file cannot be written with some edits; empty if it can."""
    if not parses(apply(source.program, edits)):
        return "the file would not parse with that"
    try:
        source.encoded(edits)
    except (Unreadable, ValueError) as error:
        return f"the file cannot hold that: {error}"
    return ""


def _edit(source: SourceFile, region: _Region, text: str) -> Edit:
    """Return the edit that replaces whole lines by an edited text, with the file's own line ends."""
    start, end, _ = region
    text = text.replace("\n", source.newline)
    had_end = source.program[start:end].endswith(("\n", "\r"))
    if had_end != text.endswith(("\n", "\r")):
        text = text.rstrip("\r\n") + (source.newline if had_end else "")
    return Edit(start, end, text)


def _regions(source: SourceFile, edits: Sequence[Edit]) -> list[_Region]:
    """Return the whole lines that edits touch, adjacent lines joined; each region is within one cell."""
    tree = source.tree
    starts = [*tree.starts, len(source.program)]
    regions: list[_Region] = []
    for edit in sorted(edits):
        start = starts[tree.line_of(edit.start) - 1]
        first, last = source.bounds(edit.start)
        # A cell's last line may have no line end.
        end = min(last, starts[tree.line_of(max(edit.start, edit.end - 1))])
        if regions and first <= regions[-1].start and start <= regions[-1].end:
            before = regions.pop()
            regions.append(_Region(before.start, max(end, before.end), (*before.edits, edit)))
        else:
            regions.append(_Region(start, end, (edit,)))
    return regions


def open_editor(text: str) -> str | None:
    """Open `$VISUAL` or `$EDITOR` on a text and return what was saved; None if the editor failed.

    Raises:
        RecodeError: neither variable is set.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not command:
        raise RecodeError("no editor is set; set $EDITOR")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "change.py"
        path.write_text(text, encoding="utf-8", newline="")
        done = subprocess.run([*shlex.split(command), str(path)], check=False)
        return path.read_text(encoding="utf-8") if done.returncode == 0 else None
