"""`recode sandbox run`: read tasks and write their verdicts, line by line in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track
from rich.table import Table

from recode.errors import SandboxError
from recode.records import read_records
from recode.sandbox.environments import installed_environments, packages_of, prune_environments, read_locks
from recode.sandbox.pool import ProgramTask, judge_all
from recode.sandbox.verdict import Verdict
from recode.sandbox.zygotes import Interpreter, Level, Limits

_AT_ONCE = 500


def run_tasks(
    file: Path, *, limit: float, python: str | None, preload: list[str], level: Level | None, workers: int | None
) -> Iterator[dict[str, Any]]:
    """Judge the tasks of a file with a progress bar; yield one object a task, in order.

    Raises:
        RecordError: the file does not follow the format.
        SandboxError: this machine gives no isolation, and `unsafe` was not asked for.
    """
    tasks = read_records(file, ProgramTask)
    interpreter = Interpreter(python or Interpreter().python, tuple(preload))
    console = Console(stderr=True)
    columns = (
        TextColumn("judging"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    counts: Counter[str] = Counter()
    with Progress(*columns, console=console, transient=True) as progress:
        shown = progress.add_task("judging", total=len(tasks), note="")

        def done(verdict: Verdict) -> None:
            counts[verdict.outcome] += 1
            progress.update(shown, advance=1, note=", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())))

        # In parts, so that an interrupt loses few verdicts.
        for start in range(0, len(tasks), _AT_ONCE):
            part, limits = tasks[start : start + _AT_ONCE], Limits(seconds=limit)
            verdicts = judge_all(
                part, interpreter=interpreter, limits=limits, level=level, workers=workers, on_done=done
            )
            for task, verdict in zip(part, verdicts, strict=True):
                if verdict is not None:
                    yield {"id": task.id, **verdict.model_dump(mode="json")}
    console.print(", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "no tasks")


def environment_table() -> Table:
    """Return the installed environments with their sizes and packages."""
    table = Table("environment", "MB", "packages")
    # Hundreds of them hold millions of files.
    screen = Console(stderr=True)
    for environment in track(installed_environments(), "measuring", console=screen, transient=True):
        size = sum(file.lstat().st_size for file in environment.folder.rglob("*") if not file.is_dir())
        table.add_row(environment.folder.name, f"{size / 1e6:.0f}", ", ".join(packages_of(environment)))
    return table


def prune(locks: Path | None) -> int:
    """Delete the environments that no lock in a folder names (without a folder: all of them); return how many."""
    kept = read_locks(locks) if locks else []
    if locks and not kept:
        raise SandboxError(f"{locks}: holds no lock (`LIBRARY-VERSION.txt`), so nothing would be kept; check --keep")
    return len(prune_environments(kept))
