"""Jobs in parallel, each in a worker process with few threads. Their progress is shown by the process that submitted them.

A model of a few million parameters leaves most of a second core idle, so two processes of one thread do more than one of two.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from recode.errors import ProcessEndedError
from recode.machine import end_with_parent

_MOST = 8
"""Workers, unless more are asked for."""
_MEMORY = 5 << 30
"""Bytes for each worker: a step of `recode-tiny` with 96 rollouts takes up to 3.4 GB, and other processes need some too."""
_POLL_SECONDS = 0.5


def sensible_jobs() -> int:
    """Return how many jobs that each train a small model this machine can run at a time."""
    from recode.models.parallelism import sensible_processes

    return sensible_processes(_MOST, _MEMORY)


T = TypeVar("T")


class ProgressDisplay(Protocol):
    """The methods of `rich.progress.Progress` that a pool needs to show its jobs."""

    @property
    def add_task(self) -> Callable[..., Any]:
        """Take a description and fields, add a line, return its id."""

    @property
    def update(self) -> Callable[..., Any]:
        """Take a line's id and fields to change; `advance` adds to what is completed."""

    @property
    def remove_task(self) -> Callable[..., Any]:
        """Take the id of the line to remove."""


class WorkerPool:
    """Worker processes that run jobs. They end when the `with` block ends.

    If the block fails, the workers are killed in the middle of their jobs, so a job must be able to resume.
    """

    def __init__(self, count: int, threads: int, display: ProgressDisplay) -> None:
        """Start `count` workers of `threads` threads each; their jobs appear on `display`."""
        self._context = multiprocessing.get_context("spawn")
        # Spawned, not forked: PyTorch's threads do not survive a fork.
        self._pool = ProcessPoolExecutor(
            count, mp_context=self._context, initializer=_prepare_worker, initargs=(threads,)
        )
        self._before = set(multiprocessing.active_children())
        self._display = display
        self._jobs: dict[Future[Any], _Job] = {}

    def submit(self, title: str, work: Callable[..., T], *args: Any) -> Future[T]:
        """Submit a job.

        Args:
            title: shown before the descriptions of the job's tasks.
            work: a function of a module. It is called with a stand-in for the display, which has `add_task`, `update` and `advance`,
                and then with `args`.
            args: further arguments of `work`; they are pickled.

        Raises:
            ProcessEndedError: a worker was killed from outside.
        """
        receiver, sender = self._context.Pipe(duplex=False)
        try:
            future = self._pool.submit(_run_job, sender, work, args)
        except BrokenProcessPool:
            raise ProcessEndedError from None
        self._jobs[future] = _Job(title, self._display, receiver, sender)
        return future

    def wait(self) -> set[Future[Any]]:
        """Show progress until a job has ended; return the jobs that did. Each is returned once; an empty set means that all have ended.

        Raises:
            ProcessEndedError: a worker was killed from outside.
        """
        ended: set[Future[Any]] = set()
        while self._jobs and not ended:
            ended = wait(self._jobs, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done
            for job in self._jobs.values():
                job.show_reports()
        for future in ended:
            self._jobs.pop(future).close()
        if any(isinstance(future.exception(), BrokenProcessPool) for future in ended):
            raise ProcessEndedError
        return ended

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers."""
        if kind is not None:
            for process in set(multiprocessing.active_children()) - self._before:
                process.terminate()
        for job in self._jobs.values():
            job.stop_reading()
        # The executor joins its own processes: of two threads that join the same process, one may never be woken.
        self._pool.shutdown(cancel_futures=True)
        # Only now: a job that was submitted a moment ago may still be on its way to a worker, with its end of the pipe.
        for job in self._jobs.values():
            job.close()


@dataclass
class _Job:
    """A submitted job: where its reports arrive, and the line that shows its latest task."""

    title: str
    display: ProgressDisplay
    receiver: Connection
    sender: Connection
    """The worker's end of the pipe. It stays open here because it is pickled only when the job is handed to a worker."""
    task: int = 0
    """The number of the task that is shown; tasks count from 1."""
    line: Any = None

    def show_reports(self) -> None:
        """Show what the worker has reported so far."""
        try:
            while self.receiver.poll():
                self.show(*self.receiver.recv())
        except (EOFError, OSError):
            # A worker that is killed may leave half a report.
            return

    def show(self, task: int, fields: dict[str, Any]) -> None:
        """Show one report: a job's next task replaces the line of the one before."""
        if task == self.task and self.line is not None:
            self.display.update(self.line, **fields)
        elif task > self.task:
            self._remove_line()
            description = fields.pop("description")
            self.task, self.line = task, self.display.add_task(f"{self.title}: {description}", **fields)

    def stop_reading(self) -> None:
        """Remove the line and read no more reports; a worker that still reports is not held up by it."""
        self._remove_line()
        self.receiver.close()

    def close(self) -> None:
        """Remove the line and close the pipe; the job has ended."""
        self.stop_reading()
        self.sender.close()

    def _remove_line(self) -> None:
        if self.line is not None:
            self.display.remove_task(self.line)
            self.line = None


def _prepare_worker(threads: int) -> None:
    import torch

    from recode.models import quiet

    # A terminal's interrupt reaches every process. Only the one that started the workers acts on it, and ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet()
    torch.set_num_threads(threads)
    end_with_parent()


def _run_job(sender: Connection, work: Callable[..., T], args: tuple[Any, ...]) -> T:
    with sender:
        return work(_RemoteDisplay(sender), *args)


class _RemoteDisplay:
    """A job's display inside the worker: it sends each change to the process that has the terminal."""

    def __init__(self, sender: Connection) -> None:
        self._sender = sender
        self._tasks = 0

    def add_task(self, description: str, **fields: Any) -> int:
        self._tasks += 1
        self._send(self._tasks, {"description": description, **fields})
        return self._tasks

    def update(self, task: int, **fields: Any) -> None:
        self._send(task, fields)

    def advance(self, task: int, advance: float = 1) -> None:
        self._send(task, {"advance": advance})

    def _send(self, task: int, fields: dict[str, Any]) -> None:
        try:
            self._sender.send((task, fields))
        except OSError:
            # The pool no longer shows this job; that is no reason to stop working.
            return
