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

from recode.errors import RecodeError
from recode.migrate.find.findings import readable
from recode.migrate.pipeline import Migrated
from recode.migrate.report.terminal import print_diff
from recode.migrate.rewrite.changes import Change
from recode.migrate.source.edits import Edit, apply, overlap
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.text import Unreadable
from recode.source import parses

Ask = Callable[[str], str]
Editor = Callable[[str], str | None]


class _Region(NamedTuple):
    """Whole lines of a program, and the edits in them."""

    start: int
    end: int
    edits: tuple[Edit, ...]


def waiting(result: Migrated) -> list[Change]:
    """Return every change that a user may take: those that are offered, and the rewritings that nothing proves."""
    tried = {id(one.tried): one.tried for one in result.left if one.tried is not None and one.tried.edits}
    return sorted([*result.offered, *tried.values()], key=lambda one: (one.file.as_posix(), one.edits[0].start))


def chosen(result: Migrated, console: Console, ask: Ask = input, editor: Editor | None = None) -> list[Change]:
    """Show each change, and each rewriting that nothing proves, and return those that the user takes.

    `q` takes what was said so far, `a` every offered change that remains.
    """
    changes = waiting(result)
    taken: list[Change] = []
    every = False
    for number, change in enumerate(changes, start=1):
        if any(one.file == change.file and overlap(one.edits, change.edits) for one in taken):
            continue
        if every:
            taken += [change] if change.offered else []
            continue
        console.rule(f"{number} of {len(changes)}: {readable(change.file)}")
        symbols = ", ".join(sorted({one.symbol for one in change.findings}))
        console.print(f"{symbols}: {change.evidence} (by {change.how}); {change.remark}", markup=False)
        console.print(change.findings[0].advice, style="dim", markup=False)
        print_diff(console, result.files([change]))
        answer, mine = _answer(ask), None
        while answer == "e" and (mine := _by_hand(result, change, console, editor or edited)) is None:
            answer = _answer(ask)
        if answer == "e" and mine is not None:
            taken.append(mine)
        elif answer == "y":
            taken.append(change)
        elif answer == "q":
            break
        elif answer == "a":
            every = True
            taken += [change] if change.offered else []
    return taken


def _answer(ask: Ask) -> str:
    while True:
        try:
            given = ask("Take it? [y]es, [n]o, [e]dit, [a]ll that are offered, [q]uit: ").strip().lower()[:1]
        except EOFError:
            return "q"
        if given in {"y", "n", "e", "a", "q"}:
            return given


def _by_hand(result: Migrated, change: Change, console: Console, editor: Editor) -> Change | None:
    """Let the user edit a change; None, with the reason told, where nothing came of it."""
    try:
        mine = by_hand(result.documents[change.file], change, editor, lambda said: console.print(said, markup=False))
    except (OSError, ValueError, RecodeError) as error:
        console.print(f"the editor cannot be used: {error}", markup=False)
        return None
    if mine is None:
        console.print("nothing was taken from the editor", markup=False)
    return mine


def by_hand(document: SourceFile, change: Change, editor: Editor, tell: Callable[[str], None]) -> Change | None:
    """Let the user edit the lines that a change touches, again while the file cannot be so; None where they leave it.

    Raises:
        OSError, ValueError, RecodeError: the editor cannot be run, or gives no text.
    """
    regions = _regions(document, change.edits)
    texts = []
    for start, end, inside in regions:
        shifted = [Edit(edit.start - start, edit.end - start, edit.text) for edit in inside]
        texts.append(apply(document.program[start:end], shifted).replace("\r\n", "\n").replace("\r", "\n"))
    while True:
        given = []
        for shown in texts:
            text = editor(shown)
            if text is None:
                return None
            given.append(text)
        edits = [_edit(document, region, text) for region, text in zip(regions, given, strict=True)]
        wrong = _wrong(document, edits)
        if not wrong:
            return replace(change, edits=tuple(edits), evidence="unproven", remark="edited by hand")
        tell(wrong)
        if given == texts:
            return None
        texts = given


def _wrong(document: SourceFile, edits: Sequence[Edit]) -> str:
    """Say what keeps a file from being written with some edits; empty where nothing does."""
    if not parses(apply(document.program, edits)):
        return "the file would not parse with that"
    try:
        document.encoded(edits)
    except (Unreadable, ValueError) as error:
        return f"the file cannot hold that: {error}"
    return ""


def _edit(document: SourceFile, region: _Region, text: str) -> Edit:
    """Return the edit that puts an edited text in the place of whole lines, with the document's own line ends."""
    start, end, _ = region
    text = text.replace("\n", document.newline)
    had_end = document.program[start:end].endswith(("\n", "\r"))
    if had_end != text.endswith(("\n", "\r")):
        text = text.rstrip("\r\n") + (document.newline if had_end else "")
    return Edit(start, end, text)


def _regions(document: SourceFile, edits: Sequence[Edit]) -> list[_Region]:
    """Return the whole lines that edits touch, those that touch each other as one; each lies within one cell."""
    tree = document.tree
    starts = [*tree.starts, len(document.program)]
    found: list[_Region] = []
    for edit in sorted(edits):
        start = starts[tree.line_of(edit.start) - 1]
        first, last = document.bounds(edit.start)
        # A cell's last line may have no end of its own.
        end = min(last, starts[tree.line_of(max(edit.start, edit.end - 1))])
        if found and first <= found[-1].start and start <= found[-1].end:
            before = found.pop()
            found.append(_Region(before.start, max(end, before.end), (*before.edits, edit)))
        else:
            found.append(_Region(start, end, (edit,)))
    return found


def edited(text: str) -> str | None:
    """Open `$VISUAL` or `$EDITOR` on a text and return what was saved; None where the editor failed.

    Raises:
        RecodeError: no editor is named.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not command:
        raise RecodeError("which editor? Set $EDITOR")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "change.py"
        path.write_text(text, encoding="utf-8", newline="")
        done = subprocess.run([*shlex.split(command), str(path)], check=False)
        return path.read_text(encoding="utf-8") if done.returncode == 0 else None
