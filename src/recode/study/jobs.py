"""A study's parts side by side, each in a process of one thread.

So the order in which numbers are summed, on which every rollout after the first step hangs, is the same however many cores there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from rich.progress import Progress

from recode.study.arms import Place, Prepared, evaluate_arm, is_trained, prepare, seeds_of, train_arm
from recode.study.tables import StudyTable
from recode.train.worker_pool import WorkerPool


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


def run_part(progress: Progress, part: Part, place: Place) -> None:
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
    waiting, running = list(parts), dict[Future[None], Part]()
    with WorkerPool(jobs, 1, progress) as pool:
        while waiting or running:
            for part in _ready(waiting, running.values(), jobs):
                waiting.remove(part)
                running[pool.submit(str(part), run_part, part, place)] = part
            for future in pool.wait():
                future.result()
                on_done(running.pop(future))


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
