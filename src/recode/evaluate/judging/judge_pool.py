"""Greedy judging of migrations by several processes of few threads: a small model leaves much of a CPU's second core idle.

`python benchmarks/judging.py` measures what that is worth.
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
from recode.evaluate.judging.migrations import Judged, batches, evaluate
from recode.machine import cores, end_with_parent
from recode.records import Migration

_MOST = 4
"""Processes; each holds PyTorch and a model of its own."""
_MEMORY = 2 << 30
"""Bytes for each process: PyTorch, a model of a few million parameters and the caches of one batch."""


def sensible() -> int:
    """Return how many processes to judge a small model with."""
    from recode.models.processes import sensible_processes

    return sensible_processes(_MOST, _MEMORY)


class Judges:
    """Processes that judge batches of entries; they start at the first batch, and end with the block or with the process that has it."""

    def __init__(self, count: int) -> None:
        """Take how many processes there are; the cores are dealt to them as threads."""
        threads = max(1, cores() // count)
        # Not forked: PyTorch's threads do not survive that.
        self._pool = ProcessPoolExecutor(
            count, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(threads,)
        )

    def judge(
        self, model: str, entries: Sequence[Migration], weights: Mapping[str, float], headroom: int | None = None,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Judged]:  # fmt: skip
        """Return the verdict on one greedy completion for every entry, in order; the same as `evaluate`.

        Raises:
            RecodeError: the model cannot be loaded, or a process was ended from outside.
        """
        try:
            return self._judged(model, entries, weights, headroom, on_done)
        except BrokenProcessPool:
            raise ProcessEndedError from None

    def _judged(
        self, model: str, entries: Sequence[Migration], weights: Mapping[str, float], headroom: int | None,
        on_done: Callable[[int], None] | None,
    ) -> list[Judged]:  # fmt: skip
        asked: dict[Future[list[Judged]], list[int]] = {}
        # The longest first: nobody waits for one long batch at the end.
        for chosen in reversed(batches(entries)):
            work = self._pool.submit(_judge, model, [entries[i] for i in chosen], dict(weights), headroom)
            asked[work] = chosen
        found: dict[int, Judged] = {}
        for work in as_completed(asked):
            found |= dict(zip(asked[work], work.result(), strict=True))
            if on_done:
                on_done(len(asked[work]))
        return [found[i] for i in range(len(entries))]

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; what was not begun is dropped."""
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


def _judge(model: str, entries: list[Migration], weights: dict[str, float], headroom: int | None) -> list[Judged]:
    return [group[0] for group in evaluate(*_load(model), entries, weights=weights, headroom=headroom)]
