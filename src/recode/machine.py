"""The cores and memory of this machine, and work in several processes."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, Self, TypeAlias, TypeVar, cast

from recode.errors import ProcessEndedError

_BEAT = 0.5
"""Seconds between two checks that the parent is still alive."""
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Parameters of glibc's `mallopt`."""
T = TypeVar("T")
R = TypeVar("R")
_Pipe: TypeAlias = "connection.Connection[Any, Any]"


def cores() -> int:
    """Return how many cores this process may use; in a container that may be fewer than the machine has."""
    # macOS and Windows do not report which cores a process may use.
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def recode_home() -> Path:
    """Return the cache folder, whose content can be rebuilt: `$RECODE_HOME`, or `~/.cache/recode`."""
    return Path(os.environ.get("RECODE_HOME") or "~/.cache/recode").expanduser().absolute()


def memory() -> int:
    """Return the memory of this machine in bytes; 8 GiB if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


def has_bfloat16() -> bool:
    """Say whether the processor multiplies bfloat16 by instructions of its own; without them it is many times slower than float32."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def keep_freed_memory() -> bool:
    """Let this process keep memory that it frees, for its next use; return whether the C library can do that (glibc can).

    Large tensors are mapped and unmapped at every step otherwise, and on a virtual machine a page fault costs more than the arithmetic on it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))


def overloaded() -> bool:
    """Say whether more than twice as many processes want to run as there are cores; a time-out then means little."""
    try:
        return os.getloadavg()[0] > 2 * cores()
    except OSError:
        return False


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel releases it when the process ends, however it ends."""
    # Imported here because Windows lacks it, where scanning works.
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def end_with_parent() -> None:
    """End this process soon after its parent: a killed parent cannot end it, and a pool's processes would wait for work forever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is None:
            return
        # Another forked process may hold the other end of the pipe that shows the parent's end, so ask the kernel too.
        while parent.is_alive() and (os.name == "nt" or os.getppid() == parent.pid):
            parent.join(_BEAT)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def map_in_processes(
    work: Callable[[T], R], items: Sequence[T], count: int, *, chunk: int = 1
) -> Generator[R, None, None]:
    """Yield `work(item)` for each item, in order, computed by forked processes.

    Forking gives the processes `work` and everything it refers to: only results are sent. They end when the
    iteration does, and also when this process is killed. Not available on Windows.

    Args:
        work: the function; an exception that it raises is raised here.
        items: its arguments.
        count: how many processes there are.
        chunk: how many items a process is given at a time.

    Raises:
        ProcessEndedError: a process was ended from outside.
    """
    chunks = [items[at : at + chunk] for at in range(0, len(items), chunk)]
    with _Workers(work, chunks, count) as workers:
        for number in range(len(chunks)):
            yield from workers.result(number)


class _Workers(Generic[T, R]):
    """Forked processes. Each has a pipe on which it receives numbers of chunks and sends back results."""

    def __init__(self, work: Callable[[T], R], chunks: Sequence[Sequence[T]], count: int) -> None:
        self._waiting = iter(range(len(chunks)))
        self._results: dict[int, list[R]] = {}
        self._processes: list[BaseProcess] = []
        self._pipes: list[_Pipe] = []
        fork = multiprocessing.get_context("fork")
        for _ in range(min(count, len(chunks))):
            mine, its = fork.Pipe()
            self._pipes.append(mine)
            # Started as a daemon, so that an exception that is not caught here ends it too.
            process = fork.Process(target=_serve, args=(work, chunks, its, self._pipes), daemon=True)
            process.start()
            its.close()
            self._processes.append(process)

    def result(self, number: int) -> list[R]:
        """Return the results of a chunk, waiting for it if need be."""
        while number not in self._results:
            for pipe in connection.wait(self._pipes):
                self._receive(cast("_Pipe", pipe))
        return self._results.pop(number)

    def _receive(self, pipe: _Pipe) -> None:
        try:
            number, results = pipe.recv()
            self._send(pipe)
        except (EOFError, OSError):
            raise ProcessEndedError from None
        if isinstance(results, BaseException):
            raise results
        self._results[number] = results

    def _send(self, pipe: _Pipe) -> None:
        """Give a process another chunk; it always has one in reserve, so that it never waits."""
        number = next(self._waiting, None)
        if number is not None:
            pipe.send(number)

    def __enter__(self) -> Self:
        """Begin."""
        try:
            for pipe in [*self._pipes, *self._pipes]:
                self._send(pipe)
        except OSError:
            raise ProcessEndedError from None
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes, in the middle of their work if need be."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        for pipe in self._pipes:
            pipe.close()


def _serve(work: Callable[[T], R], chunks: Sequence[Sequence[T]], pipe: _Pipe, inherited: Sequence[_Pipe]) -> None:
    """Compute chunks until the pipe is closed, as it is by the end of the parent."""
    # A terminal's interrupt goes to every process; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Copies of the parent's ends of the pipes, which would keep them open when the parent has ended.
    for copy in inherited:
        copy.close()
    end_with_parent()
    try:
        while True:
            number = pipe.recv()
            try:
                results: list[R] | BaseException = [work(item) for item in chunks[number]]
            except Exception as error:  # noqa: BLE001
                error.add_note(traceback.format_exc())
                results = error
            pipe.send((number, results))
    except (EOFError, OSError):
        return
