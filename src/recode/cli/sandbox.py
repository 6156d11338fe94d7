"""`recode sandbox run`: read tasks and write their verdicts, line by line in order."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track
from rich.table import Table

from recode.errors import SandboxError
from recode.records import read_records
from recode.sandbox.environments import installed_environments, packages_of, prune_environments, read_locks
from recode.sandbox.fork_servers import Interpreter, Level, Limits
from recode.sandbox.levels import best_level
from recode.sandbox.pool import ProgramTask, judge_all
from recode.sandbox.verdict import Verdict


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
    interpreter.require_python()
    run = _Run(tasks, interpreter, Limits(seconds=limit), level or best_level(), workers)
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
        for task, verdict in zip(tasks, run.verdicts(), strict=False):
            counts[verdict.outcome] += 1
            progress.update(shown, advance=1, note=", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())))
            yield {"id": task.id, **verdict.model_dump(mode="json")}
    console.print(", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "no tasks")


@dataclass
class _Run:
    """Tasks that are judged on a thread, while their verdicts are taken in order, each as soon as it is there."""

    tasks: Sequence[ProgramTask]
    interpreter: Interpreter
    limits: Limits
    level: Level
    workers: int | None
    _found: queue.SimpleQueue[tuple[int, Verdict] | BaseException | None] = field(default_factory=queue.SimpleQueue)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def verdicts(self) -> Iterator[Verdict]:
        """Yield the verdicts in the order of the tasks."""
        thread = threading.Thread(target=self._judge, daemon=True)
        thread.start()
        waiting: dict[int, Verdict] = {}
        place = 0
        try:
            while (said := self._found.get()) is not None:
                if isinstance(said, BaseException):
                    raise said
                waiting[said[0]] = said[1]
                while place in waiting:
                    yield waiting.pop(place)
                    place += 1
        finally:
            # Also where nobody reads on: what runs is ended, not left.
            self._cancelled.set()
            thread.join()

    def _judge(self) -> None:
        try:
            judge_all(
                self.tasks, interpreter=self.interpreter, limits=self.limits, level=self.level, workers=self.workers,
                on_done=lambda number, verdict: self._found.put((number, verdict)), cancelled=self._cancelled,
            )  # fmt: skip
            self._found.put(None)
        except BaseException as error:  # noqa: BLE001 (raised again by whoever takes the verdicts)
            self._found.put(error)


def serve_requests(
    interpreter: Interpreter, level: Level, most: Limits,
    *, host: str, port: int, workers: int | None, queue: int, journal: Path | None,
) -> None:  # fmt: skip
    """Serve until the process is asked to end; say where on standard error.

    Raises:
        RecodeError: the address or the journal cannot be used.
        SandboxError: programs cannot be run.
    """
    # Needs packages of the extra `serve`.
    from recode.sandbox.serve.server import Listening, Settings, serve

    console = Console(stderr=True)

    def ready(where: Listening) -> None:
        resumed = f", {where.resumed} jobs of before" if where.resumed else ""
        console.print(
            f"listening on {where.address}/run_code ({level}, {where.workers} at a time{resumed}); Ctrl-C ends it",
            soft_wrap=True,
        )

    serve(Settings(interpreter, level, most, host, port, workers, queue, journal), ready)


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
