"""Jobs in processes of their own: results, progress on one display, an error that ends the rest."""

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
from recode.train import worker_pool
from recode.train.worker_pool import WorkerPool, _Job


def counts(progress: Any, number: int) -> tuple[int, int]:
    import torch

    task = progress.add_task("counting", total=number)
    for _ in range(number):
        progress.advance(task)
    progress.update(progress.add_task("resting", total=1), completed=1)
    # Long enough for a look at what was reported.
    time.sleep(4 * worker_pool._POLL_SECONDS)
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
    with WorkerPool(2, 1, progress) as pool:
        left = {pool.submit(f"job {number}", counts, number): number for number in (3, 4)}
        while left:
            for done in pool.wait():
                assert done.result() == (left.pop(done), 1)
        assert pool.wait() == set()
    assert not progress.tasks
    assert set(progress.lines) == {f"job {n}: {what}" for n in (3, 4) for what in ("counting", "resting")}


def test_reports_change_the_line_of_their_job() -> None:
    progress = Seen()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    job = _Job("a job", progress, receiver, sender)
    job.show(1, {"description": "one", "total": 3})
    job.show(1, {"advance": 2})
    assert (progress.tasks[0].description, progress.tasks[0].completed) == ("a job: one", 2)
    job.show(2, {"description": "two", "total": 1})
    job.show(1, {"advance": 1})
    assert [(task.description, task.completed) for task in progress.tasks] == [("a job: two", 0)]
    job.close()
    assert not progress.tasks


def reports_much(progress: Any) -> str:
    task = progress.add_task("x" * 100)
    for _ in range(5000):
        progress.update(task, note="more than a pipe holds")
    return "done"


def test_a_job_whose_reports_nobody_reads_ends_all_the_same() -> None:
    with WorkerPool(1, 1, Seen()) as pool:
        future = pool.submit("talkative", reports_much)
    assert future.result() == "done"


def test_an_error_ends_the_others_at_once(tmp_path: Path) -> None:
    def both() -> None:
        with WorkerPool(2, 1, Seen()) as pool:
            pool.submit("long", lasts, tmp_path / "done")
            pool.submit("wrong", fails)
            for done in pool.wait():
                done.result()

    started = time.monotonic()
    with pytest.raises(RecodeError, match="a file is missing"):
        both()
    assert time.monotonic() - started < 50
    assert not multiprocessing.active_children()
    assert not (tmp_path / "done").exists()


def test_a_process_that_is_ended_from_outside_is_one_error_line() -> None:
    with WorkerPool(1, 1, Seen()) as pool:
        pool.submit("killed", dies)
        with pytest.raises(
            RecodeError, match="killed from outside, often because memory ran out; use fewer --jobs"
        ) as caught:
            pool.wait()
        assert "\n" not in str(caught.value)
        with pytest.raises(RecodeError, match="killed from outside"):
            pool.submit("after it", dies)
