"""Inspect itself runs our tasks, on a model that gives known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recode.evaluate.harnesses.documents import SPLITS, documents, scores
from recode.prompts import response

COUNT = 10


def run(split: str, replies: dict[str, str], folder: Path) -> Any:
    inspect_ai = pytest.importorskip("inspect_ai")
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    from recode.evaluate.harnesses import inspect_tasks

    def answer(messages: Any, *_: Any) -> Any:
        output = ModelOutput.from_content("mockllm/model", replies[messages[-1].text])
        # Otherwise it counts tokens with a file from the network.
        output.usage = ModelUsage()
        return output

    model = get_model("mockllm/model", custom_outputs=answer)
    (log,) = inspect_ai.eval(
        getattr(inspect_tasks, split)(), model=model, limit=COUNT, log_dir=str(folder), display="none"
    )
    assert log.status == "success", log.error
    return log


def means(log: Any) -> dict[str, float]:
    return {score.name: score.metrics["mean"].value for score in log.results.scores}


@pytest.mark.ecosystem
@pytest.mark.parametrize("split", ["test_generated", pytest.param("test_updates", marks=pytest.mark.network)])
def test_right_answers_pass_and_the_old_code_does_not(split: str, tmp_path: Path) -> None:
    chosen = documents(split)[:COUNT]
    old = {one["user"]: one["user"].partition("```python\n")[2].partition("\n```")[0] for one in chosen}
    right = means(run(split, {one["user"]: f"<think>{one['gold']}" for one in chosen}, tmp_path))
    assert (right["passed"], right["exact"], right["graded"], right["copy"]) == (1.0, 1.0, 1.0, 0.0)
    copied = means(run(split, {user: response("", code) for user, code in old.items()}, tmp_path))
    assert (copied["passed"], copied["exact"], copied["lift"], copied["copy"]) == (0.0, 0.0, 0.0, 1.0)
    if split == "test_updates":
        assert (right["execution"], copied["execution"]) == (1.0, 0.0)


@pytest.mark.ecosystem
def test_the_means_are_those_of_our_own_judge(tmp_path: Path) -> None:
    chosen = documents("test_generated")[:COUNT]
    half = {
        one["user"]: one["gold"]
        if place % 2
        else response("I keep it.", one["user"].partition("```python\n")[2].partition("\n```")[0])
        for place, one in enumerate(chosen)
    }
    found = means(run("test_generated", half, tmp_path))
    ours = [scores(one, half[one["user"]]) for one in chosen]
    for name in ("passed", "exact", "edit", "format", "lift", "copy"):
        assert found[name] == pytest.approx(sum(one[name] for one in ours) / COUNT)


@pytest.mark.ecosystem
def test_the_package_registers_a_task_for_each_split() -> None:
    pytest.importorskip("inspect_ai")
    from recode.evaluate.harnesses import inspect_tasks

    assert all(callable(getattr(inspect_tasks, split)) for split in SPLITS)
