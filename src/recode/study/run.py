"""`recode study`: train what a table's arms need, evaluate it, write the table. What is there is not done again."""

from __future__ import annotations

import itertools
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from recode.errors import MissingExtraError
from recode.models import quiet
from recode.records import write_text
from recode.study.arms import Place, is_evaluated, is_trained, prepare
from recode.study.jobs import Part, parts_of, run_part, run_parts
from recode.study.tables import StudyTable, read_tables
from recode.study.writing import Row, draw, markdown, rows_of
from recode.train.worker_pool import sensible_jobs


def run_study(
    names: list[str], recipes: Path, data: Path, out: Path, *, jobs: int | None = None, finished: bool = False
) -> None:
    """Run the named tables, or all; write each to `out/NAME.md` and `out/NAME.png` when its last part is done, and print it.

    Parts run side by side in `jobs` processes of one thread each (None: as many as is sensible); with one job, here, with all cores.
    With `finished`, write the tables whose parts are all there, and run nothing.

    Raises:
        RecodeError: a table or a recipe is wrong, or a part of the work fails.
    """
    quiet()
    console, place = Console(), Place(out, data)
    # Before the first minute is spent: every recipe of every table is read and checked.
    left = {name: parts_of(name, table, place) for name, table in read_tables(recipes, names).items()}
    for parts in left.values():
        if reference := _reference(parts[0].table, recipes):
            parts_of(parts[0].table.spread, reference, place)
    if finished:
        for name, parts in left.items():
            _write_finished(name, parts, recipes, place, console)
        return
    jobs = jobs or sensible_jobs()
    work, number = [part for parts in left.values() for part in parts], itertools.count(1)
    with _progress() as progress:

        def done(part: Part) -> None:
            progress.console.print(f"{next(number)}/{len(work)} {part}", highlight=False)
            left[part.name].remove(part)
            if not left[part.name]:
                _write(part.name, part.table, _rows(part.table, recipes, place), place, console)

        if jobs > 1:
            run_parts(work, place, jobs, progress, done)
        else:
            for part in work:
                progress.console.print(f"{part} …", highlight=False)
                run_part(progress, part, place)
                done(part)


def list_tables(recipes: Path, data: Path, out: Path) -> Table:
    """Return the tables with their questions, and how much of each is done."""
    shown = Table(show_lines=True)
    shown.add_column("table", no_wrap=True)
    for column in ("asks", "to train", "trained"):
        shown.add_column(column)
    place = Place(out, data)
    for name, table in read_tables(recipes, []).items():
        prepared = [prepare(table, part.arm, part.seed, place) for part in parts_of(name, table, place)]
        trained = [is_trained(one) for one in prepared if one.recipe]
        shown.add_row(name, table.asks, str(len(trained)), str(sum(trained)))
    return shown


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    return _Notes(*columns, console=Console(stderr=True))


class _Notes(Progress):
    """A display whose tasks have a note, also those that others add to it."""

    def add_task(self, description: str, *args: object, **fields: object) -> object:  # type: ignore[override]
        """Add a task, with an empty note where it has none."""
        return super().add_task(description, *args, **{"note": "", **fields})  # type: ignore[arg-type]


def _write_finished(name: str, parts: list[Part], recipes: Path, place: Place, console: Console) -> None:
    """Write a table whose parts are all there; of another say what to do."""
    table = parts[0].table
    prepared = [prepare(table, part.arm, part.seed, place) for part in parts]
    if all(is_trained(one) and is_evaluated(table, one, place) for one in prepared):
        _write(name, table, _rows(table, recipes, place), place, console)
    else:
        console.print(f"{name}: not finished; run `recode study {name}`", highlight=False)


def _reference(table: StudyTable, recipes: Path) -> StudyTable | None:
    """Return the table that shows how much runs differ, where one is named."""
    return read_tables(recipes, [table.spread])[table.spread] if table.spread else None


def _rows(table: StudyTable, recipes: Path, place: Place) -> list[Row]:
    return rows_of(table, place, _reference(table, recipes))


def _write(name: str, table: StudyTable, rows: list[Row], place: Place, console: Console) -> None:
    text = markdown(name, table, rows, f"{name}.png")
    path = place.out / f"{name}.md"
    write_text(path, text)
    try:
        draw(table, rows, place, path.with_suffix(".png"))
    except MissingExtraError as error:
        Console(stderr=True).print(f"no plot: {error}", style="yellow")
    console.print(Markdown(text))
    console.print(f"written: {path.resolve()}", soft_wrap=True, highlight=False)
