"""Many verdicts at once: one worker a core, each with its own fork servers."""

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
"""How often a program is tried where the sandbox itself fails."""
_MANY = 200


class ProgramTask(Record):
    """A program to judge: by calls of one of its functions, or by a test of plain asserts."""

    may_hold_nul: ClassVar[bool] = True
    id: str
    program: str
    entry_point: str = ""
    calls: tuple[Call, ...] = ()
    test: str = ""
    setup: str = ""
    """Code that program and test both need: it runs before each of them, and once where they run together."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.test) == bool(self.entry_point and self.calls):
            raise ValueError("a task has either `entry_point` and `calls`, or `test`")
        return self


def judge_all(
    tasks: Sequence[ProgramTask], *, interpreter: Interpreter | None = None, limits: Limits | None = None, level: Level | None = None,
    workers: int | None = None, on_done: Callable[[int, Verdict], None] | None = None, cancelled: threading.Event | None = None,
) -> list[Verdict | None]:  # fmt: skip
    """Judge tasks, several at a time; return verdicts in their order, None for those not begun when `cancelled` was set.

    A sandbox that fails is started again; a task on which it keeps failing is `ungradable`, never failed. A program that ran out of time after
    it had waited long for a core is run once more, with nothing beside it, before that counts.

    Args:
        tasks: what to judge.
        interpreter: the Python the programs run in; this one by default.
        limits: of each program.
        level: the isolation; by default the strongest that this machine gives, and never `unsafe`.
        workers: how many at once; by default as many as there are cores, for many tasks half as many again.
        on_done: called with a task's place and its verdict as soon as that is there, by the worker that found it.
        cancelled: set from outside to stop; programs that run are killed by their limits.

    Raises:
        SandboxError: the machine gives no isolation.
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
    """Return a worker a core; for many tasks, which repay another worker's start, half as many again.

    While the kernel takes a program's namespaces down, its worker's core has nothing to do.
    """
    return cores() + ((cores() + 1) // 2 if tasks >= _MANY else 0)


class _Gate:
    """Lets workers judge beside each other, or one of them alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._wanted = 0

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Wait until nobody wants to be alone."""
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
    def alone(self) -> Iterator[None]:
        """Wait until nobody else is inside, and keep everybody out."""
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
    """What the workers share: the tasks that wait, and the verdicts found."""

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
        """Judge what waits until nothing does. The fork servers end with this thread."""
        fork_servers = ForkServer(self.interpreter, self.level), ForkServer(self.interpreter, self.level)
        try:
            while not self.cancelled.is_set():
                try:
                    number = self._waiting.get_nowait()
                except queue.Empty:
                    return
                with self._gate.beside_others():
                    verdict = self._judge(self.tasks[number], *fork_servers)
                if verdict.outcome is Outcome.TIMEOUT and verdict.starved:
                    with self._gate.alone():
                        verdict = self._judge(self.tasks[number], *fork_servers)
                self.verdicts[number] = verdict
                if self.on_done:
                    self.on_done(number, verdict)
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that asked)
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
