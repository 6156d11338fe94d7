"""A study's parts in parallel, each in a process with one thread.

With one thread, sums have the same floating-point order however many cores there are. Every rollout after the first step depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from recode.study.arms import PreparedArm, StudyFolders, evaluate_arm, is_trained, prepare, seeds_of, train_arm
from recode.study.tables import StudyTable
from recode.train.worker_pool import ProgressDisplay, WorkerPool


@dataclass(frozen=True)
class Part:
    """An arm of a table with one seed."""

    table_name: str
    table: StudyTable
    arm: str
    seed: int
    model: str
    """The name or folder of the arm's model. Two parts with the same model do not run at the same time."""
    after: PreparedArm | None
    """The arm whose model this one starts from."""

    def __str__(self) -> str:
        """Return its name for readers."""
        return f"{self.table_name}: {self.arm}, seed {self.seed}"


def parts_of(name: str, table: StudyTable, folders: StudyFolders) -> list[Part]:
    """Return a table's parts, the first seed of every arm before the second of any.

    Raises:
        RecipeError: a recipe of the table is wrong.
    """
    parts = []
    for arm in table.ordered():
        for seed in seeds_of(table, arm, folders):
            after = table.arms[arm].after
            earlier = prepare(table, after, seed, folders) if after else None
            parts.append(Part(name, table, arm, seed, prepare(table, arm, seed, folders).model, earlier))
    return sorted(parts, key=lambda part: table.seeds.index(part.seed))


def run_part(display: ProgressDisplay, part: Part, folders: StudyFolders) -> None:
    """Train and evaluate a part, resuming an earlier run."""
    train_arm(part.table, part.arm, part.seed, folders, display)
    evaluate_arm(part.table, part.arm, part.seed, folders, display)


def run_parts(
    parts: Sequence[Part], folders: StudyFolders, jobs: int, display: ProgressDisplay, on_done: Callable[[Part], None]
) -> None:
    """Run parts in `jobs` processes of one thread each; call `on_done` in this process after each part.

    Raises:
        RecodeError: a part failed. The others are killed; their finished work is kept.
    """
    waiting, running = list(parts), dict[Future[None], Part]()
    with WorkerPool(jobs, 1, display) as pool:
        while waiting or running:
            for part in _ready(waiting, running.values(), jobs):
                waiting.remove(part)
                running[pool.submit(str(part), run_part, part, folders)] = part
            for future in pool.wait():
                future.result()
                on_done(running.pop(future))


def _ready(waiting: Sequence[Part], running: Iterable[Part], jobs: int) -> list[Part]:
    """Return the parts to start now: no other part works on their model, and no other part will make the model they start from."""
    at_work, chosen = [part.model for part in running], list[Part]()
    coming = {part.model for part in waiting} | set(at_work)
    for part in waiting:
        awaited = part.after is not None and part.after.model in coming and not is_trained(part.after)
        if len(at_work) < jobs and part.model not in at_work and not awaited:
            at_work.append(part.model)
            chosen.append(part)
    return chosen
