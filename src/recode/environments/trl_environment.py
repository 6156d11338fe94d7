"""The multi-turn environment as a class for TRL's `environment_factory`: the public methods are the model's tools.

It imports nothing of TRL. `reset` and `get_reward` are TRL's own hooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recode.environments.episode import Episode
from recode.environments.grading import Grader
from recode.environments.tasks import MigrationTask
from recode.errors import RecordError
from recode.records import Migration

RUNS = 1
"""The default number of times that a model may run a program before it submits one."""

HOW = (
    "Call `run_program` to run a program with this version and read what happens. "
    "When you are done, call `submit_program` with the complete program."
)


class MigrationEnvironment:
    """One rollout of a migration with tools. TRL makes as many as it needs and resets each before a rollout.

    Give `functools.partial(MigrationEnvironment, grader, runs=1)` as `environment_factory`, and `training_rows(tasks)` as the data set.
    """

    def __init__(self, grader: Grader, runs: int = RUNS) -> None:
        self._grader, self._runs = grader, runs
        self._episode: Episode | None = None

    def reset(self, entry: Mapping[str, Any] | str | None = None, **_: object) -> None:
        """Start the rollout of a row of the data set. TRL passes the row's columns.

        Raises:
            RecordError: the row has no column `entry`.
        """
        if entry is None:
            raise RecordError("the data set has no column `entry`; make it with recode.environments.training_rows")
        read = Migration.model_validate_json(entry) if isinstance(entry, str) else Migration.model_validate(entry)
        self._episode = Episode(MigrationTask(entry=read), self._grader, turns=self._runs + 1)

    def get_reward(self) -> float | None:
        """Return the reward of the submitted program, 0 if none was submitted, None if it cannot be graded."""
        episode = self._current()
        return 0.0 if episode.grade is None else episode.grade.reward

    def run_program(self, program: str) -> str:
        """
        Run a Python program with the new version of the library and return what happened.

        Args:
            program: The complete program.

        Returns:
            The exception or the deprecation warnings with their lines, and what the program printed.
        """
        return self._current().run(program)

    def submit_program(self, program: str) -> str:
        """
        Submit the migrated program. It ends the task and cannot be taken back.

        Args:
            program: The complete program.

        Returns:
            That the program was submitted.
        """
        self._current().submit(program)
        return "Submitted."

    def _current(self) -> Episode:
        if self._episode is None:
            raise RuntimeError("the environment was not reset")
        return self._episode


def training_rows(tasks: Sequence[MigrationTask]) -> list[dict[str, Any]]:
    """Return a row for each task, for `datasets.Dataset.from_list`: the prompt, and the entry as JSON for `reset`."""
    return [
        {"prompt": [{"role": "user", "content": f"{task.request}\n\n{HOW}"}], "entry": task.entry.model_dump_json()}
        for task in tasks
    ]
