"""Runs and grades programs for tasks: the terms of the reward, each from 0 to 1, and their weighted sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from recode.environments.tasks import LOCKS, MigrationTask, locks_by_digest
from recode.errors import RecipeError
from recode.rewards import exact, execution, same_program
from recode.rewards import format as well_formed
from recode.rewards.answer import answer
from recode.sandbox.environments import Environment, ensure_environment
from recode.sandbox.execution import Execution, Servers
from recode.sandbox.levels import best_level
from recode.shipped import shipped

TERMS = ("format", "exact", "execution")
WEIGHTS: Mapping[str, float] = MappingProxyType({"execution": 1.0})
"""The default reward: 1 for an answer that behaves on the new release as it should, 0 for any other, such as the old program."""


@dataclass(frozen=True)
class Grade:
    """The grade of one answer.

    `format`: 1 for one think block and one answer block, else 0. `exact`: 1 for the syntax tree of the gold program, or of
    another right answer of the entry, else 0. `execution`: 1 if the answer runs without deprecations on the new release and
    prints what the old program printed on the old one, else 0. A term that cannot be graded is None, and so is `reward`,
    the weighted sum, if such a term has a weight.
    """

    format: float
    exact: float | None
    execution: float | None
    reward: float | None

    def terms(self) -> dict[str, float | None]:
        """Return the terms by name."""
        return {"format": self.format, "exact": self.exact, "execution": self.execution}


class Grader:
    """Runs and grades programs in the sandbox. Threads may share it; close it when done.

    Raises:
        SandboxError: this machine supports no isolation.
        RecipeError: a weight names no term.
    """

    def __init__(self, locks: str | Path = LOCKS, weights: Mapping[str, float] = WEIGHTS) -> None:
        best_level()
        unknown = sorted(weights.keys() - set(TERMS))
        if unknown:
            raise RecipeError(f"unknown reward term `{unknown[0]}`; choose from {', '.join(TERMS)}")
        self.locks = shipped(locks)
        self.weights = dict(weights)
        self._servers = Servers()

    def run(self, task: MigrationTask, program: str) -> Execution:
        """Run a program in the task's new release.

        Raises:
            SandboxError: the sandbox failed.
            EnvironmentBuildError: the release cannot be installed.
        """
        return execution.run_answer(self._release(task), program, task.module, self._servers)

    def grade(self, task: MigrationTask, completion: str) -> Grade:
        """Grade a completion: what a model wrote after `recode.prompts.PREFILL`."""
        entry = task.entry
        out = answer(completion)
        target = entry.new_code
        if out is not None:
            target = next((other for other in entry.alternatives if same_program(out.text, other)), target)
        equal = exact.score(completion, target)
        ran = execution.score(
            completion, target, entry.old_code, entry.stdout, self._release(task), task.module, self._servers
        )
        values = {
            "format": float(well_formed.score(completion) > 0),
            "exact": None if equal is None else float(equal > 0),
            "execution": ran,
        }
        graded = [(values[name], weight) for name, weight in self.weights.items() if weight]
        known = [(value, weight) for value, weight in graded if value is not None]
        reward = sum(value * weight for value, weight in known) if len(known) == len(graded) else None
        return Grade(values["format"] or 0.0, values["exact"], ran, reward)

    def _release(self, task: MigrationTask) -> Environment:
        return ensure_environment(locks_by_digest(self.locks)[task.lock_digest])

    def close(self) -> None:
        """Stop the fork servers."""
        self._servers.close()

    def __enter__(self) -> Self:
        """Return the grader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the fork servers."""
        self.close()
