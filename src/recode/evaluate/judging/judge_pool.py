"""Greedy judging of migrations by several processes with few threads each: a small model leaves much of a CPU's second core idle.

`python benchmarks/judging.py` measures the gain.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from recode.errors import ProcessEndedError
from recode.evaluate.judging.migrations import JudgedMigration, batches, evaluate
from recode.machine import cores, end_with_parent
from recode.records import Migration

_MOST = 4
"""Processes at most; each loads PyTorch and the model."""
_MEMORY = 2 << 30
"""Bytes per process: PyTorch, a model of a few million parameters and the caches of one batch."""


def sensible() -> int:
    """Return how many processes should judge a small model on this machine."""
    from recode.models.parallelism import sensible_processes

    return sensible_processes(_MOST, _MEMORY)


class JudgePool:
    """Processes that judge batches of entries. They start with the first batch and end with the `with` block or its process."""

    def __init__(self, count: int) -> None:
        """Take the number of processes; the cores are divided among them as threads."""
        threads = max(1, cores() // count)
        # Spawned, not forked: PyTorch's threads do not survive a fork.
        self._pool = ProcessPoolExecutor(
            count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(threads,)
        )

    def judge(
        self, model: str, entries: Sequence[Migration], weights: Mapping[str, float], headroom: int | None = None,
        on_done: Callable[[int], None] | None = None,
    ) -> list[JudgedMigration]:  # fmt: skip
        """Return the verdict on one greedy completion of every entry, in order, as `evaluate` would.

        Raises:
            RecodeError: the model cannot be loaded, or a process was killed from outside.
        """
        try:
            return self._judged(model, entries, weights, headroom, on_done)
        except BrokenProcessPool:
            raise ProcessEndedError from None

    def _judged(
        self, model: str, entries: Sequence[Migration], weights: Mapping[str, float], headroom: int | None,
        on_done: Callable[[int], None] | None,
    ) -> list[JudgedMigration]:  # fmt: skip
        pending: dict[Future[list[JudgedMigration]], list[int]] = {}
        # The longest batches first, so that the processes finish at about the same time.
        for chosen in reversed(batches(entries)):
            work = self._pool.submit(_judge, model, [entries[i] for i in chosen], dict(weights), headroom)
            pending[work] = chosen
        verdicts: dict[int, JudgedMigration] = {}
        for work in as_completed(pending):
            verdicts |= dict(zip(pending[work], work.result(), strict=True))
            if on_done:
                on_done(len(pending[work]))
        return [verdicts[i] for i in range(len(entries))]

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; batches that have not started are dropped."""
        self._pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    """Prepare a process of the pool."""
    import torch

    from recode.models import quiet

    quiet()
    torch.set_num_threads(threads)
    end_with_parent()


@functools.lru_cache(maxsize=1)
def _load(model: str) -> tuple[Any, Any]:
    from recode.models import load

    loaded: tuple[Any, Any] = load(model)
    return loaded


def _judge(
    model: str, entries: list[Migration], weights: dict[str, float], headroom: int | None
) -> list[JudgedMigration]:
    return [group[0] for group in evaluate(*_load(model), entries, weights=weights, headroom=headroom)]
