"""`recode study`: train what a table's arms need, evaluate it, write the table. What is there is not done again."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from recode.errors import MissingExtraError, RecodeError
from recode.models import quiet
from recode.records import write_text
from recode.study.arms import Place, evaluate_arm, is_trained, prepare, seeds_of, train_arm
from recode.study.tables import StudyTable, read_tables
from recode.study.writing import Row, draw, markdown, rows_of


def run_study(names: list[str], recipes: Path, data: Path, out: Path, *, finished: bool = False) -> None:
    """Run the named tables, or all, one after the other; write each to `out/NAME.md` and `out/NAME.png`, and print it.

    With `finished`, write those whose parts are all there, and run nothing.

    Raises:
        RecodeError: a table or a recipe is wrong, or a part of the work fails.
    """
    quiet()
    console, place = Console(), Place(out, data)
    tables = read_tables(recipes, names)
    # Before the first minute is spent: every recipe of every table is read and checked.
    work = {name: _parts(table, place) for name, table in tables.items()}
    for name, table in tables.items():
        if not finished:
            for number, (arm, seed) in enumerate(work[name], start=1):
                console.print(f"{name} {number}/{len(work[name])}: {arm}, seed {seed}", highlight=False)
                _run(table, arm, seed, place)
        rows = _finished(table, work[name], place) if finished else rows_of(table, place)
        if rows is None:
            console.print(f"{name}: not finished; run `recode study {name}`", highlight=False)
            continue
        console.print(Markdown(_write(name, table, rows, place)))
        console.print(f"written: {(out / f'{name}.md').resolve()}", soft_wrap=True, highlight=False)


def list_tables(recipes: Path, data: Path, out: Path) -> Table:
    """Return the tables with their questions, and how much of each is done."""
    shown = Table(show_lines=True)
    for column in ("table", "asks", "arms and seeds", "trained"):
        shown.add_column(column)
    place = Place(out, data)
    for name, table in read_tables(recipes, []).items():
        parts = _parts(table, place)
        done = sum(is_trained(prepare(table, arm, seed, place)) for arm, seed in parts)
        shown.add_row(name, table.asks, str(len(parts)), str(done))
    return shown


def _parts(table: StudyTable, place: Place) -> list[tuple[str, int]]:
    """Return the arms with their seeds, the first seed of every arm before the second of any."""
    pairs = [(arm, seed) for arm in table.ordered() for seed in seeds_of(table, arm, place)]
    return sorted(pairs, key=lambda pair: table.seeds.index(pair[1]))


def _run(table: StudyTable, arm: str, seed: int, place: Place) -> None:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with _Notes(*columns, console=Console(stderr=True)) as progress:
        train_arm(table, arm, seed, place, progress)
        evaluate_arm(table, arm, seed, place, progress)


class _Notes(Progress):
    """A display whose tasks have a note, also those that others add to it."""

    def add_task(self, description: str, *args: object, **fields: object) -> object:  # type: ignore[override]
        """Add a task, with an empty note where it has none."""
        return super().add_task(description, *args, **{"note": "", **fields})  # type: ignore[arg-type]


def _finished(table: StudyTable, parts: list[tuple[str, int]], place: Place) -> list[Row] | None:
    """Return the table's rows, None where a part of the work is missing."""
    if not all(is_trained(prepare(table, arm, seed, place)) for arm, seed in parts):
        return None
    try:
        return rows_of(table, place)
    except (OSError, RecodeError):
        return None


def _write(name: str, table: StudyTable, rows: list[Row], place: Place) -> str:
    text = markdown(name, table, rows, f"{name}.png")
    write_text(place.out / f"{name}.md", text)
    try:
        draw(table, rows, place, place.out / f"{name}.png")
    except MissingExtraError as error:
        Console(stderr=True).print(f"no plot: {error}", style="yellow")
    return text
