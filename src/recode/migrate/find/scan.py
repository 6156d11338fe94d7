"""`scan`: every use of an updated API in a project."""

from __future__ import annotations

import ast
import multiprocessing
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from recode.errors import ProcessEndedError
from recode.knowledge.model import Shape
from recode.knowledge.versions import parse_release
from recode.machine import cores
from recode.migrate.find.exports import Exports, add_exports, exported_names
from recode.migrate.find.findings import Finding, ScanResult, Skipped
from recode.migrate.find.index import Index, build_index, telling_members
from recode.migrate.find.statements import uses_in
from recode.migrate.find.uses import Use
from recode.migrate.project.files import project_files
from recode.migrate.source.notebook import code_cells
from recode.migrate.source.text import LARGEST, Unreadable, decode, lines_of, read_bytes
from recode.records import ApiUpdate
from recode.source import parse_quietly

CONFIDENCE = 0.5
"""Findings that are less sure than this are not told unless asked for."""
_WORDS = re.compile(r"[^\W\d]\w*")
_FEW = 40
"""Files up to which starting further processes takes longer than reading them."""
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
    workers: int | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> ScanResult:
    """Find the uses of what `updates` are about, in a folder or one file.

    Args:
        root: a folder, or a Python file or notebook.
        updates: what changed, of one library or several.
        shapes: what the libraries look like; without one, receivers are told by hints and naming alone.
        to: the release that the project moves to; None: each update's newer release.
        from_: the release that it comes from; what was gone by then is not told.
        confidence: findings that are less sure are left out.
        workers: processes (default: one a core).
        tell: called with the files done and all files.

    Raises:
        RecodeError: the path does not exist, or a release is none.
    """
    target = parse_release(to, "--to") if to else None
    start = parse_release(from_, "--from") if from_ else None
    index = build_index(updates, shapes, target, start)
    files = project_files(root)
    folder = root.parent if root.is_file() else root
    if len(files) > 1:
        is_used, index.exports = _exports(folder, files, index)
        index.telling = telling_members(index) if is_used else frozenset()
    outcomes = list(_all_read(folder, files, index, confidence, workers, tell))
    findings = sorted(
        (finding for outcome in outcomes for finding in outcome.findings),
        key=lambda one: (one.file.as_posix(), -1 if one.cell is None else one.cell, one.line, one.column, one.symbol),
    )
    return ScanResult(
        tuple(findings),
        tuple(skip for outcome in outcomes for skip in outcome.skipped),
        files=sum(outcome.lines >= 0 for outcome in outcomes),
        lines=sum(max(outcome.lines, 0) for outcome in outcomes),
    )


def _exports(folder: Path, files: Sequence[Path], index: Index) -> tuple[bool, Exports]:
    """Return whether any module imports one of the libraries, and what the modules pass on of them."""
    table: Exports = {}
    marks = tuple(package.encode() for package in index.packages)
    for file in files:
        if file.suffix not in (".py", ".pyi"):
            continue
        try:
            path = folder / file
            if path.is_symlink() or path.stat().st_size > LARGEST:
                continue
            data = path.read_bytes()
        except OSError:
            continue
        stem = file.parent.name if file.stem == "__init__" else file.stem
        if stem and any(mark in data for mark in marks):
            names = exported_names(data.decode("utf-8", "replace"), index.packages)
            if names:
                add_exports(table, stem, names)
    return bool(table), {stem: names for stem, names in table.items() if stem not in index.packages}


@dataclass(frozen=True)
class _Outcome:
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    lines: int = -1
    """Lines of Python; -1 where the file was not read."""


def _all_read(
    folder: Path,
    files: Sequence[Path],
    index: Index,
    confidence: float,
    workers: int | None,
    tell: Callable[[int, int], None],
) -> Iterable[_Outcome]:
    """Read every file, in several processes where there are many.

    Raises:
        ProcessEndedError: one of them was ended from outside.
    """
    count = min(workers or cores(), max(1, len(files) // _FEW))
    job = (folder, index, confidence)
    if count <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        for number, file in enumerate(files, start=1):
            yield _read_file(file, job)
            tell(number, len(files))
        return
    # Forked processes have the index already: what the initializer gets is not sent.
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(count, mp_context=fork, initializer=_take_job, initargs=(job,)) as pool:
        try:
            for number, outcome in enumerate(pool.map(_read_of_job, files, chunksize=_CHUNK), start=1):
                yield outcome
                tell(number, len(files))
        except BrokenProcessPool:
            raise ProcessEndedError from None


_Job = tuple[Path, Index, float]
_JOB: _Job | None = None
"""What a process of a pool is about. The process that asks never sets it: several threads of it may scan at once."""


def _take_job(job: _Job) -> None:
    global _JOB
    _JOB = job


def _read_of_job(file: Path) -> _Outcome:
    assert _JOB is not None
    return _read_file(file, _JOB)


def _read_file(file: Path, job: _Job) -> _Outcome:
    folder, index, confidence = job
    try:
        text = decode(read_bytes(folder / file), python=file.suffix != ".ipynb").text
        if file.suffix == ".ipynb":
            return _notebook(file, text, index, confidence)
    except Unreadable as error:
        return _Outcome(skipped=(Skipped(file, str(error)),))
    lines = text.count("\n") + (not text.endswith("\n")) if "\r" not in text else len(lines_of(text))
    if not _worth_parsing(text, index):
        return _Outcome(lines=lines)
    tree = _parsed(text)
    if isinstance(tree, str):
        return _Outcome(skipped=(Skipped(file, tree),))
    split = lines_of(text)
    try:
        uses = uses_in(tree, split, index)
    except RecursionError:
        return _Outcome(skipped=(Skipped(file, "nested too deeply"),))
    found = tuple(_finding(file, split, use) for use in uses if use.confidence >= confidence)
    return _Outcome(found, lines=lines)


def _worth_parsing(text: str, index: Index) -> bool:
    """Say whether a text names a library and anything that changed in it."""
    words = set(_WORDS.findall(text))
    near = not words.isdisjoint(index.packages) or not words.isdisjoint(index.exports)
    return (near and not words.isdisjoint(index.leaves)) or not words.isdisjoint(index.telling)


def _parsed(text: str) -> ast.Module | str:
    """Return a text's syntax tree, or why it has none."""
    try:
        return parse_quietly(text)
    except SyntaxError as error:
        return f"does not parse (line {error.lineno}: {error.msg})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"does not parse ({error})"


def _notebook(file: Path, text: str, index: Index, confidence: float) -> _Outcome:
    """Read a notebook's cells as one program, since they share their names; each keeps its own lines."""
    cells = code_cells(text)
    starts: list[tuple[int, int]] = []
    joined: list[str] = []
    skipped = []
    for cell in cells:
        source = cell.python
        if not source.strip():
            continue
        if isinstance(reason := _parsed(source), str):
            skipped.append(Skipped(file, f"cell {cell.index}: {reason}"))
            continue
        starts.append((len(joined), cell.index))
        lines = lines_of(source)
        joined += [*lines[:-1], lines[-1].rstrip("\r\n") + "\n"] if lines else []
    whole = "".join(joined)
    tree = _parsed(whole) if _worth_parsing(whole, index) else ast.Module([], [])
    if isinstance(tree, str):
        return _Outcome(skipped=(*skipped, Skipped(file, tree)))
    try:
        uses = uses_in(tree, joined, index)
    except RecursionError:
        return _Outcome(skipped=(*skipped, Skipped(file, "nested too deeply")))
    found = []
    for use in uses:
        if use.confidence >= confidence:
            start, cell_index = max((one for one in starts if one[0] < use.line), default=(0, 0))
            found.append(_finding(file, joined, use, start, cell_index))
    return _Outcome(tuple(found), tuple(skipped), len(joined))


def _finding(file: Path, lines: Sequence[str], use: Use, above: int = 0, cell: int | None = None) -> Finding:
    update = use.entry.update
    proof = update.evidence[0] if update.evidence else None
    quote = textwrap.shorten(proof.quote, _QUOTE, placeholder=" …") if proof else ""
    where = f" ({proof.source}, {update.library} {proof.package_version}, {proof.file}:{proof.line})" if proof else ""
    return Finding(
        file=file,
        line=use.line - above,
        column=_characters(lines, use.line, use.column),
        end_line=use.end_line - above,
        end_column=_characters(lines, use.end_line, use.end_column),
        symbol=update.old_symbol,
        kind=update.kind,
        status=use.entry.status,
        since=use.entry.since,
        evidence=f"{quote}{where}",
        confidence=use.confidence,
        advice=update.update_info,
        update=update,
        guarded=use.guarded,
        cell=cell,
    )


def _characters(lines: Sequence[str], line: int, column: int) -> int:
    """Return a column in characters from 1, of one in UTF-8 bytes from 0."""
    text = lines[line - 1] if line <= len(lines) else ""
    return (column if text.isascii() else len(text.encode()[:column].decode(errors="replace"))) + 1
