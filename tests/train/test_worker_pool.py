"""Pieces of work in processes of their own: results, progress on one display, an error that ends the rest."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from recode.errors import RecodeError
from recode.train import worker_pool as side_by_side
from recode.train.worker_pool import Crew


def counts(progress: Any, number: int) -> tuple[int, int]:
    import torch

    task = progress.add_task("counting", total=number)
    for _ in range(number):
        progress.advance(task)
    progress.update(progress.add_task("resting", total=1), completed=1)
    # Long enough for a look at what was reported.
    time.sleep(4 * side_by_side._BEAT)
    return number, torch.get_num_threads()


def fails(progress: Any) -> None:
    raise RecodeError("a file is missing; write it")


def lasts(progress: Any, path: Path) -> None:
    time.sleep(60)
    path.touch()


def dies(progress: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Seen(Progress):
    """Keeps the descriptions of its lines."""

    def __init__(self) -> None:
        super().__init__(disable=True)
        self.lines: list[str] = []

    def add_task(self, description: str, *args: Any, **fields: Any) -> Any:
        self.lines.append(description)
        return super().add_task(description, *args, **fields)


def test_results_come_back_and_progress_is_shown_and_taken_away() -> None:
    progress = Seen()
    with Crew(2, 1, progress) as crew:
        left = {crew.begin(f"piece {number}", counts, number): number for number in (3, 4)}
        while left:
            for done in crew.wait():
                assert done.result() == (left.pop(done), 1)
        assert crew.wait() == set()
    assert not progress.tasks
    assert set(progress.lines) == {f"piece {n}: {what}" for n in (3, 4) for what in ("counting", "resting")}


def test_reports_change_the_line_of_their_piece() -> None:
    progress = Seen()
    with Crew(1, 1, progress) as crew:
        crew._titles = {object(): "a piece"}  # type: ignore[dict-item]
        crew._show("a piece", 1, {"description": "one", "total": 3})
        crew._show("a piece", 1, {"advance": 2})
        assert (progress.tasks[0].description, progress.tasks[0].completed) == ("a piece: one", 2)
        crew._show("a piece", 2, {"description": "two", "total": 1})
        crew._show("a piece", 1, {"advance": 1})
        assert [(task.description, task.completed) for task in progress.tasks] == [("a piece: two", 0)]
        crew._show("one that has ended", 1, {"description": "late", "total": 1})
        assert len(progress.tasks) == 1
        crew._titles = {}


def test_an_error_ends_the_others_at_once(tmp_path: Path) -> None:
    def both() -> None:
        with Crew(2, 1, Seen()) as crew:
            crew.begin("long", lasts, tmp_path / "done")
            crew.begin("wrong", fails)
            for done in crew.wait():
                done.result()

    started = time.monotonic()
    with pytest.raises(RecodeError, match="a file is missing"):
        both()
    assert time.monotonic() - started < 50
    assert not multiprocessing.active_children()
    assert not (tmp_path / "done").exists()


def test_a_process_that_is_ended_from_outside_is_one_error_line() -> None:
    with Crew(1, 1, Seen()) as crew:
        crew.begin("killed", dies)
        with pytest.raises(
            RecodeError, match="ended from outside, often for want of memory; use fewer --jobs"
        ) as caught:
            crew.wait()
        assert "\n" not in str(caught.value)
        with pytest.raises(RecodeError, match="ended from outside"):
            crew.begin("after it", dies)
