"""The tasks, and the reward of a model's last answer."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterable
from typing import Literal

import verifiers.v1 as vf

from recode.environments.grading import Grade, Grader
from recode.environments.tasks import MigrationTask as RecodeTask
from recode.environments.tasks import load_tasks
from recode.prompts import completion_of, response
from recode.records import Migration


class MigrationData(vf.TaskData):
    """A row: its prompts, and the entry of the data set as JSON, which the model does not see."""

    entry: str


class MigrationTaskConfig(vf.TaskConfig):
    """The weights of the reward's terms, each of which is from 0 to 1."""

    format: float = 0.0
    """One think block and one answer block, and nothing else."""
    exact: float = 0.0
    """The syntax tree of the gold program."""
    execution: float = 1.0
    """It runs without deprecations on the new release and prints what the old program printed on the old one."""


class MigrationTask(vf.Task[MigrationData, vf.State, MigrationTaskConfig]):
    """One migration."""

    @property
    def key(self) -> str:
        """The entry's id."""
        return self.data.id or self.hash

    @property
    def recode_task(self) -> RecodeTask:
        """The task as ReCode's own episodes take it."""
        return RecodeTask(entry=Migration.model_validate_json(self.data.entry))

    @property
    def grader(self) -> Grader:
        """The grader with this task's weights; all tasks of a process share it."""
        return shared_grader(self.config.format, self.config.exact, self.config.execution)

    async def validate(self, runtime: vf.Runtime) -> bool:
        """Say whether the gold program scores 1 in every term and the untouched program scores 0 in execution."""
        entry = self.recode_task.entry
        gold, untouched = [await self._grade(response("", code)) for code in (entry.new_code, entry.old_code)]
        expected = 1.0 if self.recode_task.is_no_op else 0.0
        return set(gold.terms().values()) == {1.0} and untouched.execution == expected

    @vf.metric
    async def terms(self, trace: vf.Trace) -> dict[str, float]:
        """The terms of the reward."""
        return {
            name: value for name, value in (await self._grade(last_answer(trace))).terms().items() if value is not None
        }

    @vf.reward
    async def migration(self, trace: vf.Trace) -> float:
        """The weighted sum of the terms. A rollout that cannot be graded fails; it does not score 0."""
        reward = (await self._grade(last_answer(trace))).reward
        assert reward is not None
        return reward

    async def _grade(self, completion: str) -> Grade:
        weights = self.config.format, self.config.exact, self.config.execution
        return await asyncio.to_thread(_grade, self.data.entry, completion, weights)


@functools.cache
def shared_grader(format: float, exact: float, execution: float) -> Grader:  # noqa: A002
    """Return the grader of this process for these weights."""
    return Grader(weights={"format": format, "exact": exact, "execution": execution})


@functools.lru_cache(maxsize=256)
def _grade(entry: str, completion: str, weights: tuple[float, float, float]) -> Grade:
    """Grade an answer once for the metric and the reward."""
    grade = shared_grader(*weights).grade(RecodeTask(entry=Migration.model_validate_json(entry)), completion)
    if grade.reward is None:
        # An exception is not kept, so the next call tries again.
        raise vf.TaskError(f"{json.loads(entry)['id']}: the sandbox failed, so the answer could not be graded")
    return grade


def last_answer(trace: vf.Trace) -> str:
    """Return the model's last message as what follows the prompt's `<think>`; empty if there is none."""
    messages = trace.assistant_messages
    return completion_of(messages[-1].content or "", messages[-1].reasoning_content or "") if messages else ""


class MigrationTasksetConfig(vf.TasksetConfig):
    """Which tasks, and at which level their notes are."""

    split: str = "train"
    """A split of ReCode's data set, such as `train` or `test_updates`, or the path of a JSON Lines file of its entries."""
    notes: Literal["tailored", "bullet", "section", "api", "none"] = "tailored"
    task: MigrationTaskConfig = MigrationTaskConfig()


class MigrationTaskset(vf.Taskset[MigrationTask, MigrationTasksetConfig]):
    """The tasks of a split in its order."""

    def load(self) -> Iterable[MigrationTask]:
        """Yield the tasks."""
        split = self.config.split
        # verifiers' command line takes a word that begins with @ for a file of options.
        source = split if split.endswith(".jsonl") else f"@{split}"
        for task in load_tasks(source, notes=self.config.notes).tasks:
            system, user = task.messages
            data = MigrationData(
                id=task.id,
                name=task.id,
                system_prompt=system["content"],
                prompt=user["content"],
                entry=task.entry.model_dump_json(),
            )
            yield MigrationTask(data, self.config.task)
