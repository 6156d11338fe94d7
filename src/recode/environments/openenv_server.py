"""The multi-turn environment as an OpenEnv server: reset to a task, run programs, submit one. Needs the extra `openenv`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, EnvironmentMetadata, Observation, State
from pydantic import Field

from recode import __version__
from recode.environments.episode import Episode
from recode.environments.grading import Grader
from recode.environments.tasks import MigrationTask
from recode.errors import SandboxError

NAME = "recode_migrations"
_HOW = (
    "Step with kind `run` to run a program with this version and read what happens; runs left: {runs}. "
    "Step with kind `submit` and the complete program to end the episode."
)


class ProgramAction(Action):  # type: ignore[misc]
    """A program to run, or to submit, which ends the episode."""

    kind: Literal["run", "submit"]
    program: str


class ProgramObservation(Observation):  # type: ignore[misc]
    """The request after a reset, and what happened after a run. After a submission, the reward and its terms in `terms`."""

    text: str
    terms: dict[str, float | None] = Field(default_factory=dict)


class EpisodeState(State):  # type: ignore[misc]
    """The task of the episode, and how many runs are left."""

    task_id: str | None = None
    runs_left: int = 0


@dataclass(frozen=True)
class ServedTasks:
    """What all sessions of a server share: the tasks by split, the grader, and how many runs an episode has."""

    splits: Mapping[str, Sequence[MigrationTask]]
    grader: Grader
    runs: int


class OpenEnvMigrations(Environment[ProgramAction, ProgramObservation, EpisodeState]):  # type: ignore[misc]
    """One session: an episode at a time.

    `reset` takes `split` and `index`; without an index the seed chooses the task, or the next one in order follows.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, served: ServedTasks, following: Callable[[], int]) -> None:
        super().__init__()
        self._served, self._following = served, following
        self._episode: Episode | None = None
        self._state = EpisodeState()

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, *, split: str | None = None, index: int | None = None, **_: Any
    ) -> ProgramObservation:  # fmt: skip
        """Start an episode; the observation is the request.

        Raises:
            IndexError: the split has no task with this index.
            ValueError: there is no such split.
        """
        name = split or next(iter(self._served.splits))
        tasks = self._tasks(name)
        if index is None:
            index = (self._following() if seed is None else seed) % len(tasks)
        task = self.get_task_at(name, index)
        self._episode = Episode(task, self._served.grader, turns=self._served.runs + 1)
        self._state = EpisodeState(episode_id=episode_id, task_id=task.id, runs_left=self._served.runs)
        return ProgramObservation(text=f"{task.request}\n\n{_HOW.format(runs=self._served.runs)}")

    def step(self, action: ProgramAction, timeout_s: float | None = None, **_: Any) -> ProgramObservation:
        """Run or submit a program.

        Raises:
            ValueError: there is no episode, or it is over.
            SandboxError: the sandbox failed, so there is no reward; reset and try again.
        """
        if self._episode is None:
            raise ValueError("reset the environment first")
        episode = self._episode
        self._state.step_count += 1
        if action.kind == "run":
            text = episode.run(action.program)
            self._state.runs_left = episode.turns - 1 - episode.used
            return ProgramObservation(text=text)
        grade = episode.submit(action.program)
        if grade.reward is None:
            raise SandboxError("the sandbox failed, so the program could not be graded; reset and try again")
        return ProgramObservation(text="Submitted.", done=True, reward=grade.reward, terms=grade.terms())

    @property
    def state(self) -> EpisodeState:
        """The state of the episode."""
        return self._state

    def get_metadata(self) -> EnvironmentMetadata:
        """Return the name, description and version that the server shows."""
        return EnvironmentMetadata(
            name=NAME, description="Migrate a program to a new release of its library.", version=__version__
        )

    def list_splits(self) -> list[str]:
        """Return the names of the splits."""
        return list(self._served.splits)

    def num_tasks(self, split: str) -> int:
        """Return how many tasks a split has."""
        return len(self._tasks(split))

    def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """Return id, library and releases of every task of a split."""
        return [_shown(task, index) for index, task in enumerate(self._tasks(split))]

    def get_task(self, split: str, index: int) -> dict[str, Any]:
        """Return one task as `list_tasks` does."""
        return _shown(self.get_task_at(split, index), index)

    def get_task_at(self, split: str, index: int) -> MigrationTask:
        """Return one task.

        Raises:
            IndexError: the split has no task with this index.
            ValueError: there is no such split.
        """
        tasks = self._tasks(split)
        if not 0 <= index < len(tasks):
            raise IndexError(f"{split} has no task {index}; it has {len(tasks)}")
        return tasks[index]

    def _tasks(self, split: str) -> Sequence[MigrationTask]:
        if split not in self._served.splits:
            raise ValueError(f"no split is called {split}; choose from {', '.join(self._served.splits)}")
        return self._served.splits[split]


def _shown(task: MigrationTask, index: int) -> dict[str, Any]:
    entry = task.entry
    return {
        "id": task.id, "index": index, "library": entry.library, "old_version": entry.old_version, "new_version": entry.new_version,
    }  # fmt: skip


def app(served: ServedTasks, sessions: int) -> Any:
    """Return the FastAPI application, for at most `sessions` sessions at once."""
    numbers = itertools.count()
    return create_app(
        lambda: OpenEnvMigrations(served, lambda: next(numbers)),
        ProgramAction,
        ProgramObservation,
        env_name=NAME,
        max_concurrent_envs=sessions,
        state_cls=EpisodeState,
    )
