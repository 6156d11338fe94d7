"""`recode study`: run tables with progress bars, print them, list them."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from recode.study.jobs import Part
from recode.study.run import StudyOptions, WrittenTable, run_study, study_status, write_finished


def run(options: StudyOptions, *, finished: bool = False) -> None:
    """Run the tables and print each when it is written; with `finished`, only write the tables that are done.

    Raises:
        RecodeError: a table or a recipe is wrong, or a part of the work fails.
    """
    if finished:
        write_finished(options, _Printer(Console(), Console()))
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with _NotedProgress(*columns, console=Console(stderr=True)) as progress:
        run_study(options, progress, _Printer(Console(), progress.console))


def print_status(options: StudyOptions) -> None:
    """Print the tables with their questions, and how much of each is done."""
    shown = Table(show_lines=True)
    shown.add_column("table", no_wrap=True)
    for column in ("asks", "to train", "trained"):
        shown.add_column(column)
    for status in study_status(options):
        shown.add_row(status.name, status.question, str(status.to_train), str(status.trained))
    Console().print(shown)


class _Printer:
    """Prints tables to `output` and the current step to `log`."""

    def __init__(self, output: Console, log: Console) -> None:
        self._output, self._log = output, log

    def part_started(self, part: Part) -> None:
        self._log.print(f"{part} …", highlight=False)

    def part_done(self, number: int, total: int, part: Part) -> None:
        self._log.print(f"{number}/{total} {part}", highlight=False)

    def table_written(self, table: WrittenTable) -> None:
        if table.missing_plot:
            Console(stderr=True).print(f"no plot: {table.missing_plot}", style="yellow")
        self._output.print(Markdown(table.text))
        self._output.print(f"written: {table.path.resolve()}", soft_wrap=True, highlight=False)

    def table_unfinished(self, name: str) -> None:
        self._output.print(f"{name}: not finished; run `recode study {name}`", highlight=False)


class _NotedProgress(Progress):
    """A display in which every task has a note."""

    def add_task(self, description: str, *args: Any, **fields: Any) -> Any:
        """Add a task, with an empty note unless one is given."""
        return super().add_task(description, *args, **{"note": "", **fields})
