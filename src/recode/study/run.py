"""Run a study: train and evaluate what the tables need, write each table when its last part is done. Finished work is skipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recode.errors import MissingExtraError
from recode.models import quiet
from recode.records import write_text
from recode.study.arms import StudyFolders, is_evaluated, is_trained, prepare
from recode.study.jobs import Part, parts_of, run_part, run_parts
from recode.study.markdown import markdown
from recode.study.plots import draw
from recode.study.rows import rows_of
from recode.study.tables import StudyTable, read_tables
from recode.train.worker_pool import ProgressDisplay, sensible_jobs


@dataclass(frozen=True)
class StudyOptions:
    """What to run: the named tables of the folder `recipes`, or all of them if none is named.

    `jobs` is the number of parts at a time, each in a process with one thread; None lets the machine decide. With one job, parts run in
    this process with all cores.
    """

    folders: StudyFolders
    recipes: Path
    names: Sequence[str] = ()
    jobs: int | None = None


@dataclass(frozen=True)
class WrittenTable:
    """A table's file and text. `missing_plot` says why there is no plot, and is empty if there is one."""

    path: Path
    text: str
    missing_plot: str = ""


@dataclass(frozen=True)
class TableStatus:
    """How much of a table is trained: `trained` of `to_train` models."""

    name: str
    question: str
    to_train: int
    trained: int


class StudyReporter(Protocol):
    """Receives the events of a study."""

    def part_started(self, part: Part) -> None:
        """Receive a part that starts in this process."""

    def part_done(self, number: int, total: int, part: Part) -> None:
        """Receive a finished part; `number` counts finished parts from 1."""

    def table_written(self, table: WrittenTable) -> None:
        """Receive a table that was written."""

    def table_unfinished(self, name: str) -> None:
        """Receive the name of a table that cannot be written yet."""


def run_study(options: StudyOptions, display: ProgressDisplay, reporter: StudyReporter) -> None:
    """Run the named tables; write each to `NAME.md` and `NAME.png` when its last part is done.

    Raises:
        RecodeError: a table or a recipe is wrong, or a part fails.
    """
    left = _parts_by_table(options)
    work = [part for parts in left.values() for part in parts]
    done_so_far = 0

    def done(part: Part) -> None:
        nonlocal done_so_far
        done_so_far += 1
        reporter.part_done(done_so_far, len(work), part)
        left[part.table_name].remove(part)
        if not left[part.table_name]:
            reporter.table_written(_write(part.table_name, part.table, options))

    jobs = options.jobs or sensible_jobs()
    if jobs > 1:
        run_parts(work, options.folders, jobs, display, done)
        return
    for part in work:
        reporter.part_started(part)
        run_part(display, part, options.folders)
        done(part)


def write_finished(options: StudyOptions, reporter: StudyReporter) -> None:
    """Write the named tables whose parts are all done; train and evaluate nothing.

    Raises:
        RecodeError: a table or a recipe is wrong.
    """
    for name, parts in _parts_by_table(options).items():
        table, folders = parts[0].table, options.folders
        prepared = [prepare(table, part.arm, part.seed, folders) for part in parts]
        if all(is_trained(arm) and is_evaluated(table, arm, folders) for arm in prepared):
            reporter.table_written(_write(name, table, options))
        else:
            reporter.table_unfinished(name)


def study_status(options: StudyOptions) -> list[TableStatus]:
    """Return how much of each table is trained.

    Raises:
        RecodeError: a table or a recipe is wrong.
    """
    statuses = []
    for name, table in read_tables(options.recipes, options.names).items():
        parts = parts_of(name, table, options.folders)
        prepared = [prepare(table, part.arm, part.seed, options.folders) for part in parts]
        trained = [is_trained(arm) for arm in prepared if arm.recipe]
        statuses.append(TableStatus(name, table.asks, len(trained), sum(trained)))
    return statuses


def _parts_by_table(options: StudyOptions) -> dict[str, list[Part]]:
    """Read and check every recipe of every table, before any of them takes time."""
    quiet()
    tables = read_tables(options.recipes, options.names)
    parts = {name: parts_of(name, table, options.folders) for name, table in tables.items()}
    for table in tables.values():
        if reference := _reference(table, options.recipes):
            parts_of(table.spread, reference, options.folders)
    return parts


def _reference(table: StudyTable, recipes: Path) -> StudyTable | None:
    """Return the table that shows how much runs differ, if one is named."""
    return read_tables(recipes, [table.spread])[table.spread] if table.spread else None


def _write(name: str, table: StudyTable, options: StudyOptions) -> WrittenTable:
    rows = rows_of(table, options.folders, _reference(table, options.recipes))
    text = markdown(name, table, rows, f"{name}.png")
    path = options.folders.out / f"{name}.md"
    write_text(path, text)
    try:
        draw(table, rows, options.folders, path.with_suffix(".png"))
    except MissingExtraError as error:
        return WrittenTable(path, text, missing_plot=str(error))
    return WrittenTable(path, text)
