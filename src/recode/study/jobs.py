"""A study's parts side by side, each in a process of one thread.

A model of a few million parameters leaves most of a second core idle, so two processes of one thread do more than one of two. And the order in
which numbers are summed, on which every rollout after the first step hangs, is that of one thread wherever the study runs.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

from rich.progress import Progress, TaskID

from recode.machine import cores, end_with_parent, memory
from recode.study.arms import Place, Prepared, evaluate_arm, is_trained, prepare, seeds_of, train_arm
from recode.study.tables import StudyTable

_MOST = 8
"""Jobs unless more are asked for."""
_MEMORY = 4 << 30
"""Bytes that a job may take: PyTorch, and a step of `recode-tiny` with 96 rollouts, which holds 3.4 GB at most."""
_BEAT = 0.5
"""Seconds between two looks at what the jobs report."""


@dataclass(frozen=True)
class Part:
    """An arm of a table with one seed."""

    name: str
    """The table's."""
    table: StudyTable
    arm: str
    seed: int
    model: str
    """The name or folder of the arm's model: two parts with the same one are not worked on at a time."""
    after: Prepared | None
    """The arm whose model this one starts from."""

    def __str__(self) -> str:
        """Return what a reader calls it."""
        return f"{self.name}: {self.arm}, seed {self.seed}"


def parts_of(name: str, table: StudyTable, place: Place) -> list[Part]:
    """Return a table's parts, the first seed of every arm before the second of any.

    Raises:
        RecipeError: a recipe of the table is wrong.
    """
    parts = []
    for arm in table.ordered():
        for seed in seeds_of(table, arm, place):
            after = table.arms[arm].after
            earlier = prepare(table, after, seed, place) if after else None
            parts.append(Part(name, table, arm, seed, prepare(table, arm, seed, place).model, earlier))
    return sorted(parts, key=lambda part: table.seeds.index(part.seed))


def sensible_jobs() -> int:
    """Return how many jobs cores and memory allow side by side: 1 where there is a GPU, which one job fills."""
    import torch

    return 1 if torch.cuda.is_available() else max(1, min(_MOST, cores(), memory() // _MEMORY))


def run_part(part: Part, place: Place, progress: Progress) -> None:
    """Train and evaluate a part, from where an earlier run of it stopped."""
    train_arm(part.table, part.arm, part.seed, place, progress)
    evaluate_arm(part.table, part.arm, part.seed, place, progress)


def run_parts(
    parts: Sequence[Part], place: Place, jobs: int, progress: Progress, on_done: Callable[[Part], None]
) -> None:
    """Run parts in `jobs` processes of one thread each; call `on_done` after each part, here.

    Raises:
        RecodeError: a part failed. The others are ended at once: what they have done so far is kept, as after a kill.
    """
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    waiting, running = list(parts), dict[Future[None], Part]()
    display = _Display(progress)
    with _pool(ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(reports,))) as pool:
        while waiting or running:
            for part in _ready(waiting, running.values(), jobs):
                waiting.remove(part)
                running[pool.submit(_work, part, place)] = part
            finished: set[Future[None]] = set()
            while not finished:
                finished, _ = wait(running, timeout=_BEAT, return_when=FIRST_COMPLETED)
                while not reports.empty():
                    display.show(*reports.get())
            for future in finished:
                part = running.pop(future)
                future.result()
                display.forget(str(part))
                on_done(part)


def _ready(waiting: Sequence[Part], running: Iterable[Part], jobs: int) -> list[Part]:
    """Return the parts to begin now: those whose model no other part is at work on, and that start from no model that another will make."""
    at_work, chosen = [part.model for part in running], list[Part]()
    coming = {part.model for part in waiting} | set(at_work)
    for part in waiting:
        awaited = part.after is not None and part.after.model in coming and not is_trained(part.after)
        if len(at_work) < jobs and part.model not in at_work and not awaited:
            at_work.append(part.model)
            chosen.append(part)
    return chosen


@contextmanager
def _pool(pool: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    """End the pool's processes at once when the block fails: a part takes minutes, and what it has done is kept."""
    before = set(multiprocessing.active_children())
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        processes: set[BaseProcess] = set(multiprocessing.active_children()) - before
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        raise
    pool.shutdown()


_REPORTS: list[Any] = []


def _begin(reports: Any) -> None:
    """Prepare a process of the pool."""
    import torch

    from recode.models import quiet

    # A terminal's interrupt goes to every process; the one that made these ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet()
    torch.set_num_threads(1)
    end_with_parent()
    _REPORTS.append(reports)


def _work(part: Part, place: Place) -> None:
    run_part(part, place, _Reports(str(part), _REPORTS[-1]))  # type: ignore[arg-type]


class _Reports:
    """What a part calls as its progress display, in a process of its own: it reports to the one that has the display."""

    def __init__(self, part: str, reports: Any) -> None:
        self._part, self._reports = part, reports
        self._tasks = 0

    def add_task(self, description: str, **fields: Any) -> int:
        """As `Progress.add_task`."""
        self._tasks += 1
        self._reports.put((self._part, self._tasks, {"description": description, **fields}))
        return self._tasks

    def update(self, task: int, **fields: Any) -> None:
        """As `Progress.update`."""
        self._reports.put((self._part, task, fields))

    def advance(self, task: int, advance: float = 1) -> None:
        """As `Progress.advance`."""
        self._reports.put((self._part, task, {"advance": advance}))


class _Display:
    """Shows what parts report, each with what it is at now."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._shown: dict[str, tuple[int, TaskID]] = {}

    def show(self, part: str, task: int, fields: dict[str, Any]) -> None:
        """Show a report; a part's next task takes the place of the one before."""
        number, shown = self._shown.get(part, (0, None))
        if task == number and shown is not None:
            self._progress.update(shown, **fields)
        elif task > number:
            self.forget(part)
            description = f"{part.partition(': ')[2]}: {fields.pop('description').rpartition(': ')[2]}"
            self._shown[part] = task, self._progress.add_task(description, **fields)

    def forget(self, part: str) -> None:
        """Take a part's line away."""
        _, shown = self._shown.pop(part, (0, None))
        if shown is not None:
            self._progress.remove_task(shown)
