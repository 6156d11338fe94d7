"""`recode pretrain` and `recode train` on a terminal: a progress bar with the numbers of the latest step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from recode.train import distributed
from recode.train.launch import PRETRAINING, TRAINING, Engine, Launch, OnStep, prepare, step_summary


def pretrain(recipe: Path, folder: Path) -> Path:
    """Run or resume a pretraining recipe; return the folder of the model.

    Raises:
        RecodeError: the recipe is wrong, or the run was stopped.
    """
    return _run(prepare("trl", recipe, folder, {}, PRETRAINING))


def train(recipe: Path, folder: Path, overrides: dict[str, Any], engine: Engine, *, dry_run: bool) -> Path | str:
    """Run or resume a training recipe; return the folder of the model, or with `dry_run` the description of the run.

    Raises:
        RecodeError: the recipe is wrong, the engine cannot run it, or the run was stopped.
    """
    launch = prepare(engine, recipe, folder, overrides, TRAINING)
    return launch.describe() if dry_run else _run(launch)


def _run(launch: Launch) -> Path:
    if not launch.is_here:
        # The processes that it starts show their own progress.
        return launch.run()
    with _progress_bar(launch) as on_step:
        return launch.run(on_step)


@contextmanager
def _progress_bar(launch: Launch) -> Iterator[OnStep]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=not distributed.is_main()) as progress:
        task = progress.add_task(f"{launch.recipe.method} {launch.folder}", total=launch.steps, note="")
        yield lambda step: progress.update(task, completed=step["step"], note=step_summary(step))
