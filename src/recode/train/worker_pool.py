"""Pieces of work side by side, each in a process of few threads, with their progress shown in the one that began them.

A model of a few million parameters leaves most of a second core idle, so two processes of one thread do more than one of two.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self, TypeVar

from rich.progress import Progress, TaskID

from recode.errors import ProcessEndedError
from recode.machine import end_with_parent

_MOST = 8
"""Processes unless more are asked for."""
_MEMORY = 5 << 30
"""Bytes for each process: a step of `recode-tiny` with 96 rollouts holds 3.4 GB at most, and others want some too."""
_BEAT = 0.5
"""Seconds between two looks at what the pieces report."""


def sensible_jobs() -> int:
    """Return how many pieces that train a small model are sensible side by side."""
    from recode.models.processes import sensible_processes

    return sensible_processes(_MOST, _MEMORY)


T = TypeVar("T")


class Crew:
    """Processes that do pieces of work.

    They end with the block. Where it fails they are ended at once, in the middle of their work: it must be such that it can be gone on with.
    """

    def __init__(self, count: int, threads: int, progress: Progress) -> None:
        """Take how many processes there are, the threads of each, and the display that their progress is shown on."""
        context = multiprocessing.get_context("spawn")
        self._reports = context.Queue()
        # Not forked: PyTorch's threads do not survive that.
        self._pool = ProcessPoolExecutor(
            count, mp_context=context, initializer=_begin, initargs=(self._reports, threads)
        )
        self._before = set(multiprocessing.active_children())
        self._progress = progress
        self._titles: dict[Future[Any], str] = {}
        self._shown: dict[str, tuple[int, TaskID]] = {}

    def begin(self, title: str, work: Callable[..., T], *args: Any) -> Future[T]:
        """Begin a piece of work: a function of a module, called with what stands for this display there, and with the arguments.

        Of `rich.progress.Progress` it may use `add_task`, `update` and `advance`; the title names its line here.

        Raises:
            ProcessEndedError: a process was ended from outside.
        """
        try:
            future: Future[T] = self._pool.submit(_work, title, work, args)
        except BrokenProcessPool:
            raise ProcessEndedError from None
        self._titles[future] = title
        return future

    def wait(self) -> set[Future[Any]]:
        """Show progress until some of the work has ended; return that, each piece once, and nothing where none is left.

        Raises:
            ProcessEndedError: a process was ended from outside.
        """
        ended: set[Future[Any]] = set()
        while self._titles and not ended:
            ended = wait(self._titles, timeout=_BEAT, return_when=FIRST_COMPLETED).done
            while not self._reports.empty():
                self._show(*self._reports.get())
        for future in ended:
            self._forget(self._titles.pop(future))
        if any(isinstance(future.exception(), BrokenProcessPool) for future in ended):
            raise ProcessEndedError
        return ended

    def _show(self, title: str, task: int, fields: dict[str, Any]) -> None:
        """Show a report; a piece's next task takes the place of the one before."""
        number, shown = self._shown.get(title, (0, None))
        if task == number and shown is not None:
            self._progress.update(shown, **fields)
        elif task > number and title in self._titles.values():
            self._forget(title)
            description = fields.pop("description")
            self._shown[title] = task, self._progress.add_task(f"{title}: {description}", **fields)

    def _forget(self, title: str) -> None:
        _, shown = self._shown.pop(title, (0, None))
        if shown is not None:
            self._progress.remove_task(shown)

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        if kind is not None:
            for process in set(multiprocessing.active_children()) - self._before:
                process.terminate()
        # The pool waits for its processes itself: two threads that wait for the same one may each be told nothing.
        self._pool.shutdown(cancel_futures=True)


_REPORTS: list[Any] = []


def _begin(reports: Any, threads: int) -> None:
    """Prepare a process of the crew."""
    import torch

    from recode.models import quiet

    # A terminal's interrupt goes to every process; the one that made these ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet()
    torch.set_num_threads(threads)
    end_with_parent()
    # What it reported last may be read by nobody, and it would wait for that for ever.
    reports.cancel_join_thread()
    _REPORTS.append(reports)


def _work(title: str, work: Callable[..., T], args: tuple[Any, ...]) -> T:
    return work(_Reports(title, _REPORTS[-1]), *args)


class _Reports:
    """A piece's display, in a process of its own: it reports to the one that has the terminal."""

    def __init__(self, title: str, reports: Any) -> None:
        self._title, self._reports = title, reports
        self._tasks = 0

    def add_task(self, description: str, **fields: Any) -> int:
        self._tasks += 1
        self._reports.put((self._title, self._tasks, {"description": description, **fields}))
        return self._tasks

    def update(self, task: int, **fields: Any) -> None:
        self._reports.put((self._title, task, fields))

    def advance(self, task: int, advance: float = 1) -> None:
        self._reports.put((self._title, task, {"advance": advance}))
