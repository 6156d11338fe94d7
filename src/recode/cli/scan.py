"""`recode scan` as a command: progress, output, and what the exit code is made of."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.status import Status

from recode.api import Move, move_of, scan_move
from recode.migrate.find.findings import ScanResult
from recode.migrate.report.scan import as_json as json_of
from recode.migrate.report.scan import as_sarif, print_table
from recode.records import write_text


def run_scan(
    path: Path,
    to: str,
    old: str | None,
    *,
    as_json: bool,
    sarif: Path | None,
    confidence: float,
    updates: Path | None,
    collect: bool,
) -> bool:
    """Scan and print; return whether anything breaks.

    Raises:
        RecodeError: a path or release is wrong, or the library's updates cannot be had.
    """
    errors = Console(stderr=True)
    with Status("looking for what changed", console=errors) as status:
        move = move_of(path, to, old, updates, collect=collect, tell=status.update)
    result = _scan(move, path, confidence, errors)
    if sarif is not None:
        write_text(sarif, as_sarif(result, path) + "\n")
    if as_json:
        typer.echo(json_of(result))
    else:
        print_table(result, Console(), _title(move))
    if move.known.remark:
        errors.print(move.known.remark, style="yellow", markup=False, soft_wrap=True)
    return result.breaks


def _scan(move: Move, path: Path, confidence: float, errors: Console) -> ScanResult:
    columns = TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("files")
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("reading", total=None)
        return scan_move(
            move,
            path,
            confidence=confidence,
            tell=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _title(move: Move) -> str:
    came = f"{move.coming.version} ({move.coming.where})" if move.coming else "any release"
    return f"{move.library}: {came} → {move.target}; updates: {move.known.origin}"
