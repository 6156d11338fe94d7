"""Many verdicts at once, with one worker per core and two fork servers per worker."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Self

from pydantic import model_validator

from recode.machine import cores
from recode.records import Record
from recode.sandbox.fork_servers import Fault, ForkServer, Interpreter, Level, Limits
from recode.sandbox.judging import Call, judge_calls
from recode.sandbox.levels import best_level
from recode.sandbox.second_opinion import judge_test
from recode.sandbox.verdict import Outcome, Verdict

_TRIES = 3
"""How many times a program is tried if the sandbox itself fails."""
_MANY = 200


class ProgramTask(Record):
    """A program to judge, either by calls to one of its functions or by a test of plain asserts."""

    may_hold_nul: ClassVar[bool] = True
    id: str
    program: str
    entry_point: str = ""
    calls: tuple[Call, ...] = ()
    test: str = ""
    setup: str = ""
    """Code that program and test both need. It runs before each of them, or once when they run together."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.test) == bool(self.entry_point and self.calls):
            raise ValueError("a task has either `entry_point` and `calls`, or `test`")
        return self


def judge_all(
    tasks: Sequence[ProgramTask], *, interpreter: Interpreter | None = None, limits: Limits | None = None, level: Level | None = None,
    workers: int | None = None, on_done: Callable[[int, Verdict], None] | None = None, cancelled: threading.Event | None = None,
) -> list[Verdict | None]:  # fmt: skip
    """Judge tasks, several at a time; return their verdicts in order, None for those not begun when `cancelled` was set.

    A sandbox that fails is restarted. A task on which it keeps failing is `ungradable`, never failed. A program that timed out after
    waiting long for a core is run once more, with no other program running, before the timeout counts.

    Args:
        tasks: what to judge.
        interpreter: the Python that runs the programs; by default the current one.
        limits: limits of each program.
        level: the isolation level; by default the strongest that this machine supports, and never `unsafe`.
        workers: how many tasks run at once; by default one per core, and half as many again from 200 tasks on.
        on_done: called with a task's index and its verdict once known, on the worker's thread.
        cancelled: set by the caller to stop; running programs continue until they end or reach their limits.

    Raises:
        SandboxError: the machine supports no isolation.
    """
    shared = _Shared(
        tasks,
        limits or Limits(),
        level or best_level(),
        interpreter or Interpreter(),
        on_done,
        cancelled or threading.Event(),
    )
    count = max(1, min(workers or _sensible(len(tasks)), len(tasks)))
    threads = [threading.Thread(target=shared.work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        shared.cancelled.set()
        for thread in threads:
            thread.join()
        raise
    if shared.errors:
        raise shared.errors[0]
    return shared.verdicts


def _sensible(tasks: int) -> int:
    """Return one worker per core, and half as many again if there are enough tasks to repay their start.

    A worker's core is idle while the kernel tears down a program's namespaces.
    """
    return cores() + ((cores() + 1) // 2 if tasks >= _MANY else 0)


class _Gate:
    """Lets workers judge concurrently, or one of them exclusively."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._wanted = 0

    @contextmanager
    def with_others(self) -> Iterator[None]:
        """Enter together with other workers, once none is waiting for exclusive access."""
        with self._changed:
            self._changed.wait_for(lambda: not self._wanted)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Wait until no other worker is inside, and keep the others out."""
        with self._changed:
            self._wanted += 1
            self._changed.wait_for(lambda: not self._inside)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._wanted -= 1
                self._inside -= 1
                self._changed.notify_all()


class _Shared:
    """State shared by the workers: the waiting tasks and the verdicts so far."""

    def __init__(
        self, tasks: Sequence[ProgramTask], limits: Limits, level: Level, interpreter: Interpreter,
        on_done: Callable[[int, Verdict], None] | None, cancelled: threading.Event,
    ) -> None:  # fmt: skip
        self.limits, self.level, self.interpreter = limits, level, interpreter
        self.on_done, self.cancelled = on_done, cancelled
        self.tasks = tasks
        self.verdicts: list[Verdict | None] = [None] * len(tasks)
        self.errors: list[BaseException] = []
        self._gate = _Gate()
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(tasks)):
            self._waiting.put(number)

    def work(self) -> None:
        """Judge waiting tasks until none are left. The fork servers end with this thread."""
        fork_servers = ForkServer(self.interpreter, self.level), ForkServer(self.interpreter, self.level)
        try:
            while not self.cancelled.is_set():
                try:
                    number = self._waiting.get_nowait()
                except queue.Empty:
                    return
                with self._gate.with_others():
                    verdict = self._judge(self.tasks[number], *fork_servers)
                if verdict.outcome is Outcome.TIMEOUT and verdict.starved:
                    with self._gate.exclusively():
                        verdict = self._judge(self.tasks[number], *fork_servers)
                self.verdicts[number] = verdict
                if self.on_done:
                    self.on_done(number, verdict)
        except BaseException as error:  # noqa: BLE001 (raised again in the calling thread)
            self.errors.append(error)
            self.cancelled.set()
        finally:
            for fork_server in fork_servers:
                fork_server.stop()

    def _judge(self, task: ProgramTask, fork_server: ForkServer, tester: ForkServer) -> Verdict:
        reason = ""
        for _ in range(_TRIES):
            try:
                if task.test:
                    return judge_test(fork_server, tester, task.program, task.test, self.limits, task.setup)
                return judge_calls(fork_server, task.program, task.entry_point, task.calls, self.limits)
            except Fault as fault:
                reason = str(fault)
                fork_server.stop()
                tester.stop()
        return Verdict(
            outcome=Outcome.UNGRADABLE, level=self.level, seconds=0.0, detail=f"the sandbox failed: {reason}"
        )
