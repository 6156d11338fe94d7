"""Threads that run requested programs, each on a fork server of its own, from a queue of bounded length."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from recode.sandbox.fork_servers import Fault, ForkServer, Interpreter, Level, Limits
from recode.sandbox.serve.commands import run_command
from recode.sandbox.serve.protocol import PYTHON, RunCodeRequest, RunCodeResponse, response, ungradable

_TRIES = 3
"""How many times a program is tried if the sandbox itself fails."""
_RECENT = 200
"""Of how many programs the times are kept, for the estimate of when there is room."""


class QueueFull(Exception):
    """No further program can wait. `retry_after` says in how many seconds there should be room."""

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


class Closing(Exception):
    """The server is ending and takes no program."""


@dataclass
class _Job:
    request: RunCodeRequest
    future: Future[RunCodeResponse] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Workers:
    """Runs programs in the order of their requests.

    A request whose future is cancelled while it waits is dropped.
    """

    def __init__(
        self, interpreter: Interpreter, level: Level, most: Limits, *, count: int, queue: int,
        on_done: Callable[[RunCodeResponse, float, float], None] = lambda *_: None,
    ) -> None:  # fmt: skip
        """Take what runs the programs, the most that a program may have, and the numbers of threads and of programs that may wait.

        `on_done` is called on a worker's thread with each answer, the seconds that its request waited, and the seconds that it took.
        """
        self.interpreter, self.level, self.most = interpreter, level, most
        self.count, self.longest = count, queue
        self.running = 0
        self._on_done = on_done
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._ended_at: deque[float] = deque(maxlen=_RECENT)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads and wait until their fork servers are ready.

        Raises:
            Fault: a fork server does not start.
        """
        servers = [ForkServer(self.interpreter, self.level, commands_only=True) for _ in range(self.count)]
        ready: list[Future[None]] = [Future() for _ in servers]
        for server, started in zip(servers, ready, strict=True):
            thread = threading.Thread(target=self._work, args=(server, started), daemon=True)
            self._threads.append(thread)
            thread.start()
        for started in ready:
            started.result()

    @property
    def waiting(self) -> int:
        """Return how many programs wait."""
        return len(self._waiting)

    def submit(self, request: RunCodeRequest, *, accepted: bool = False) -> Future[RunCodeResponse]:
        """Queue a program.

        Args:
            request: what to run.
            accepted: whether it was accepted before, so that the queue's bound does not count.

        Raises:
            QueueFull: too many programs wait already.
            Closing: the server is ending.
        """
        job = _Job(request)
        with self._changed:
            if self._closing:
                raise Closing
            if len(self._waiting) >= self.longest and not accepted:
                raise QueueFull(self._retry_after())
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def has_room(self) -> None:
        """Make sure that a program could be queued now.

        Raises:
            QueueFull: too many programs wait already.
            Closing: the server is ending.
        """
        with self._changed:
            if self._closing:
                raise Closing
            if len(self._waiting) >= self.longest:
                raise QueueFull(self._retry_after())

    def _retry_after(self) -> int:
        """Return in how many seconds a tenth of the queue should be done, at the rate of the recent past; from 1 to 60."""
        if len(self._ended_at) < 2:
            return 1
        took = time.monotonic() - self._ended_at[0]
        return min(60, max(1, math.ceil(0.1 * self.longest * took / len(self._ended_at))))

    def close(self, *, finish: bool) -> None:
        """End the threads after the programs that run; before that also run those that wait, if `finish`, or else cancel them."""
        with self._changed:
            self._closing = True
            dropped = [] if finish else list(self._waiting)
            if not finish:
                self._waiting.clear()
            self._changed.notify_all()
        for job in dropped:
            job.future.cancel()
        for thread in self._threads:
            thread.join()

    def _work(self, server: ForkServer, ready: Future[None]) -> None:
        try:
            server.start()
            ready.set_result(None)
        except BaseException as error:  # noqa: BLE001 (raised again where the threads are started)
            ready.set_exception(error)
            return
        try:
            while (job := self._next()) is not None:
                began = time.monotonic()
                answer = _answer(server, job.request, self.most)
                ended = time.monotonic()
                with self._changed:
                    self.running -= 1
                    self._ended_at.append(ended)
                self._on_done(answer, began - job.since, ended - began)
                job.future.set_result(answer)
        finally:
            server.stop()

    def _next(self) -> _Job | None:
        """Return the next job whose client still waits; None when the threads are to end."""
        with self._changed:
            while True:
                while self._waiting:
                    job = self._waiting.popleft()
                    if job.future.set_running_or_notify_cancel():
                        self.running += 1
                        return job
                if self._closing:
                    return None
                self._changed.wait()


def _answer(server: ForkServer, request: RunCodeRequest, most: Limits) -> RunCodeResponse:
    if request.language != PYTHON:
        return ungradable(f"this sandbox runs {PYTHON}, not {request.language}")
    limits, reason = request.limits(most), ""
    for _ in range(_TRIES):
        try:
            run = run_command(
                server, request.code.encode("utf-8", "surrogatepass"), limits,
                stdin=request.stdin.encode("utf-8", "surrogatepass") if request.stdin else None,
                files=request.contents() if request.files else None, fetch=request.fetch_files,
            )  # fmt: skip
            return response(run, limits)
        except Fault as fault:
            reason = str(fault)
            server.stop()
        except Exception as error:  # noqa: BLE001 (a fault of ours must not end the thread, nor be taken for a verdict)
            server.stop()
            return ungradable(f"the sandbox failed: {type(error).__name__}: {error}")
    return ungradable(f"the sandbox failed {_TRIES} times: {reason}")
