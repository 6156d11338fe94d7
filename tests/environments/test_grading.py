"""Grades: the terms from 0 to 1, their weights, other right answers, and what cannot be graded."""

from __future__ import annotations

import pytest

from recode.environments.grading import Grade, Grader
from recode.environments.tasks import MigrationTask
from recode.errors import RecipeError, SandboxError
from recode.prompts import response
from recode.rewards import execution
from tests.environments.conftest import NEW, OLD, MakeTask


def test_the_weights_make_the_reward(task: MigrationTask, grader: Grader) -> None:
    with Grader(grader.locks, {"format": 0.25, "exact": 0.25, "execution": 0.5}) as weighted:
        assert weighted.grade(task, response("", NEW)).reward == 1.0
        assert weighted.grade(task, response("", OLD)).reward == 0.25
        assert weighted.grade(task, response("", NEW.replace("sides", "s"))).reward == 0.75
        assert weighted.grade(task, "nothing").reward == 0.0


def test_another_right_answer_is_exact(make_task: MakeTask, grader: Grader) -> None:
    other = NEW.replace("import toylib", "import toylib as t").replace("toylib.s", "t.s")
    task = make_task(alternatives=(other,))
    assert grader.grade(task, response("", other)).exact == 1.0


def test_a_sandbox_that_fails_leaves_no_reward(
    task: MigrationTask, grader: Grader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise SandboxError("gone")

    monkeypatch.setattr(execution, "run_program", fails)
    assert grader.grade(task, response("", NEW)) == Grade(1.0, 1.0, None, None)


def test_an_unknown_weight_is_named(grader: Grader) -> None:
    with pytest.raises(RecipeError, match="unknown reward term `edit`"):
        Grader(grader.locks, {"edit": 1.0})
