"""Episodes: an answer, what happened, a repair, the grade; in a conversation and with tools."""

from __future__ import annotations

import pytest

from recode.environments.episode import Episode
from recode.environments.grading import Grader
from recode.environments.tasks import MigrationTask
from recode.prompts import PREFILL, response
from tests.environments.conftest import NEW, OLD


def test_the_gold_program_ends_an_episode_at_once(task: MigrationTask, grader: Grader) -> None:
    episode = Episode(task, grader)
    step = episode.step(response("It is renamed.", NEW))
    assert step.done
    assert step.grade is episode.grade
    assert step.grade is not None
    assert step.grade.terms() == {"format": 1.0, "exact": 1.0, "execution": 1.0}
    assert step.grade.reward == 1.0


def test_a_failing_answer_may_be_repaired(task: MigrationTask, grader: Grader) -> None:
    episode = Episode(task, grader)
    step = episode.step(response("", OLD))
    assert not step.done
    assert "AttributeError" in step.observation
    assert "line 4: print(toylib.area(sides))" in step.observation
    assert "surface" not in step.observation
    assert [message["role"] for message in episode.messages] == ["system", "user", "assistant", "user"]
    assert episode.messages[2]["content"] == PREFILL + response("", OLD)
    step = episode.step(response("", NEW))
    assert step.grade is not None
    assert step.grade.reward == 1.0


def test_the_last_answer_counts(task: MigrationTask, grader: Grader) -> None:
    episode = Episode(task, grader)
    episode.step("no program at all")
    step = episode.step(response("", OLD))
    assert step.grade is not None
    assert step.grade.terms() == {"format": 1.0, "exact": 0.0, "execution": 0.0}
    with pytest.raises(ValueError, match="reset"):
        episode.step(response("", NEW))
    assert episode.reset() == task.messages
    assert episode.step(response("", NEW)).done


@pytest.mark.parametrize("completion", ["no program", "</think>\n<answer>\n```python\ndef (\n```\n</answer>"])
def test_an_answer_without_a_program_is_said_so(task: MigrationTask, grader: Grader, completion: str) -> None:
    step = Episode(task, grader).step(completion)
    assert not step.done
    assert "holds no program" in step.observation


def test_with_one_turn_there_is_no_repair(task: MigrationTask, grader: Grader) -> None:
    step = Episode(task, grader, turns=1).step(response("", OLD))
    assert step.grade is not None
    assert step.grade.reward == 0.0
    with pytest.raises(ValueError, match="at least one"):
        Episode(task, grader, turns=0)


def test_an_announced_deprecation_is_a_reason_to_repair(make_task, grader: Grader) -> None:  # type: ignore[no-untyped-def]
    old = "import toylib\n\nprint(toylib.mean([1.0, 3.0]))\n"
    task = make_task(old_code=old, new_code=old.replace("mean", "average"), stdout="2.0\n")
    step = Episode(task, grader).step(response("", old))
    assert not step.done
    assert "DeprecationWarning: toylib.mean is deprecated" in step.observation
    assert "It printed:\n2.0" in step.observation


def test_tools_run_and_submit(task: MigrationTask, grader: Grader) -> None:
    episode = Episode(task, grader, turns=2)
    assert "AttributeError" in episode.run(OLD)
    assert episode.run(NEW) == "No runs are left: submit the program."
    assert episode.submit(NEW).reward == 1.0
    with pytest.raises(ValueError, match="reset"):
        episode.run(NEW)
