"""`scan`: every use of an updated API in a project."""

from __future__ import annotations

import functools
import multiprocessing
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from recode.knowledge.model import Shape
from recode.knowledge.versions import parse_release
from recode.machine import cores, map_in_processes
from recode.migrate.find.findings import Finding, ScanResult, Skipped
from recode.migrate.find.index import Index, build_index, telling_members
from recode.migrate.find.statements import uses_in
from recode.migrate.find.uses import Use
from recode.migrate.project.files import project_files
from recode.migrate.project.own_modules import read_own_modules
from recode.migrate.source.source_file import SourceFile, read_source, syntax_fault
from recode.migrate.source.text import Unreadable
from recode.records import ApiUpdate

CONFIDENCE = 0.5
"""Findings of less confidence are reported only on request."""
Outcome = TypeVar("Outcome")
OnProgress = Callable[[int, int], None]
"""Called with the number of files done and of all files."""
_WORDS = re.compile(r"[^\W\d]\w*")
_FILES_PER_PROCESS = 40
"""With fewer files for each process, starting it takes longer than reading them."""
_CHUNK = 8
_QUOTE = 240


def scan(
    root: Path,
    updates: Sequence[ApiUpdate],
    shapes: Sequence[Shape] = (),
    *,
    to: str | None = None,
    from_: str | None = None,
    confidence: float = CONFIDENCE,
    undated: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> ScanResult:
    """Find the uses of updated APIs in a folder or a file.

    Args:
        root: a folder, or a Python file or notebook.
        updates: the changes, of one library or several.
        shapes: what the libraries look like; without one, receivers are recognized by hints and names alone.
        to: the release that the project moves to; None: each update's newer release.
        from_: the release that it comes from; APIs that were gone by then are not reported.
        confidence: findings of less confidence are left out.
        undated: whether to report uses of what nothing dates at any target, for a caller that asks the release (`decided`).
        workers: processes (default: one a core).
        on_progress: called after each file.

    Raises:
        RecodeError: the path does not exist, or a release is not valid.
        ProcessEndedError: a process was ended from outside.
    """
    target = parse_release(to, "--to") if to else None
    start = parse_release(from_, "--from") if from_ else None
    index = build_index(updates, shapes, target, start, undated=undated)
    files = project_files(root)
    folder = root.parent if root.is_file() else root
    if len(files) > 1:
        own = read_own_modules(folder, files, index)
        index.exports, index.classes = own.exports, index.classes | own.classes
        index.telling = telling_members(index) | index.hints.keywords if own.is_used else frozenset()
    outcomes = []
    read = functools.partial(_read_file, folder=folder, index=index, confidence=confidence)
    for outcome in map_files(read, files, workers or cores()):
        outcomes.append(outcome)
        on_progress(len(outcomes), len(files))
    findings = sorted(
        (finding for outcome in outcomes for finding in outcome.findings),
        key=lambda one: (one.file.as_posix(), -1 if one.cell is None else one.cell, one.line, one.column, one.symbol),
    )
    return ScanResult(
        tuple(findings),
        tuple(skip for outcome in outcomes for skip in outcome.skipped),
        files=sum(outcome.is_read for outcome in outcomes),
        lines=sum(outcome.lines for outcome in outcomes),
    )


@dataclass(frozen=True)
class _Outcome:
    """What became of one file; `lines` are those of Python, none where it was not read."""

    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    is_read: bool = False
    lines: int = 0


def map_files(read: Callable[[Path], Outcome], files: Sequence[Path], workers: int) -> Iterator[Outcome]:
    """Yield what a function makes of each file, in order; uses several processes where there are many files."""
    count = min(workers, max(1, len(files) // _FILES_PER_PROCESS))
    if count <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        return map(read, files)
    return map_in_processes(read, files, count, chunk=_CHUNK)


def _read_file(file: Path, *, folder: Path, index: Index, confidence: float) -> _Outcome:
    """Return the findings of a file, or why it was skipped; a notebook may also have single cells skipped."""
    try:
        source = read_source(folder, file)
    except Unreadable as error:
        return _Outcome(skipped=(Skipped(file, str(error)),))
    skipped = [Skipped(file, f"cell {cell.index}: {cell.fault}") for cell in source.cells if cell.fault]
    if not _is_worth_parsing(source.program, index):
        return _Outcome((), tuple(skipped), True, source.lines())
    if fault := syntax_fault(source):
        return _Outcome(skipped=(*skipped, Skipped(file, fault)))
    try:
        uses = uses_in(source, index)
    except RecursionError:
        return _Outcome(skipped=(*skipped, Skipped(file, "nested too deeply")))
    findings = tuple(_finding(source, use) for use in uses if use.confidence >= confidence)
    return _Outcome(findings, tuple(skipped), True, source.lines())


def _is_worth_parsing(text: str, index: Index) -> bool:
    """Say whether a text names a library, and anything in it that changed."""
    # Searching for some dozens of words is much faster than splitting a text into its words.
    if not any(word in text for words in (index.packages, index.exports, index.telling) for word in words):
        return False
    words = set(_WORDS.findall(text))
    near = not words.isdisjoint(index.packages) or not words.isdisjoint(index.exports)
    return (near and not words.isdisjoint(index.leaves)) or not words.isdisjoint(index.telling)


def _finding(source: SourceFile, use: Use) -> Finding:
    update = use.entry.update
    proof = update.evidence[0] if update.evidence else None
    quote = textwrap.shorten(proof.quote, _QUOTE, placeholder=" …") if proof else ""
    where = f" ({proof.source}, {update.library} {proof.package_version}, {proof.file}:{proof.line})" if proof else ""
    start = source.position(use.line, use.column)
    end = source.position(use.end_line, use.end_column)
    return Finding(
        file=source.path,
        line=start.line,
        column=start.column,
        end_line=end.line,
        end_column=end.column,
        symbol=update.old_symbol,
        kind=update.kind,
        status=use.entry.status,
        since=use.entry.since,
        evidence=f"{quote}{where}",
        confidence=use.confidence,
        advice=update.update_info,
        update=update,
        guarded=use.guarded,
        cell=start.cell,
    )
