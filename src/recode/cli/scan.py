"""`recode scan`: run a scan with a progress bar, print and write its findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.status import Status

from recode.api import Move, move_of, scan_move
from recode.display import printable
from recode.migrate.find.findings import ScanResult
from recode.migrate.find.scan import CONFIDENCE
from recode.migrate.project.writing import refuse_unwritable
from recode.migrate.report.scan import as_json, as_sarif, print_table
from recode.migrate.witnesses.runs.silent import silent_changes
from recode.records import write_text


@dataclass(frozen=True)
class ScanCommand:
    """The options of `recode scan`.

    Attributes:
        path: the project's folder, a Python file or a notebook.
        to: `LIB==B`.
        old: the release that the project comes from; None: read from its own files.
        as_json: print JSON instead of a table.
        sarif: a SARIF file to write.
        confidence: findings with a lower confidence (0 to 1) are left out.
        updates: a file of updates to use instead of the known ones.
        collect: compare the two releases now.
        fast: use what is known of the library alone.
        run: commands to run in both releases.
        run_seconds: wall time of one run.
    """

    path: Path
    to: str
    old: str | None = None
    as_json: bool = False
    sarif: Path | None = None
    confidence: float = CONFIDENCE
    updates: Path | None = None
    collect: bool = False
    fast: bool = False
    run: Sequence[str] = ()
    run_seconds: float = 600.0


def run_scan(command: ScanCommand) -> bool:
    """Scan and print; return whether anything breaks.

    Raises:
        RecodeError: a path or release is wrong, there are no updates for the library, or a file cannot be written.
    """
    errors = Console(stderr=True)
    if command.sarif is not None:
        refuse_unwritable(command.sarif)
    with Status("looking for what changed", console=errors) as status:
        move = move_of(
            command.path, command.to, command.old, command.updates, collect=command.collect, on_progress=status.update
        )
    result = _scan(move, command, errors)
    if command.as_json:
        for examined in result.examined:
            if not examined.available:
                errors.print(
                    f"not compared: {examined.witness}: {examined.detail}", style="yellow", markup=False, soft_wrap=True
                )
        for line in result.unexplained:
            errors.print(f"breaks: {line}", style="red", markup=False, soft_wrap=True)
    if command.sarif is not None:
        write_text(command.sarif, as_sarif(result, command.path) + "\n")
    if command.as_json:
        typer.echo(as_json(result))
    else:
        print_table(result, Console(), _title(move), _silent(move))
    if move.known.remark:
        errors.print(move.known.remark, style="yellow", markup=False, soft_wrap=True)
    return result.breaks


def _scan(move: Move, command: ScanCommand, errors: Console) -> ScanResult:
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("files")
    # Without a terminal, even a display that removes itself at the end would leave an empty line.
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("reading", total=None)
        return scan_move(
            move,
            command.path,
            confidence=command.confidence,
            fast=command.fast,
            run=command.run,
            run_seconds=command.run_seconds,
            on_stage=lambda text: progress.update(task, description=printable(text)),
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _silent(move: Move) -> list[str]:
    """Return what a move is known to change without any name showing it."""
    old = move.current.version if move.current else None
    return [change.text for change in silent_changes(move.library, old, move.target)]


def _title(move: Move) -> str:
    current = move.current
    old = f"{current.version} ({printable(current.where)})" if current else "any release"
    return f"{move.library}: {old} → {move.target}; updates: {printable(move.known.origin)}"
