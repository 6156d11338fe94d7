"""To whom a run's folder belongs: one recipe, what it named when the run began, one run at a time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recode.errors import RecipeError, RecodeError
from recode.train.folder import claimed, same_run
from recode.train.pretrain import run as pretraining
from recode.train.recipes import PolicyRecipe, PretrainRecipe, SftRecipe, Vllm
from recode.train.trl import run
from tests.train.killed_run import MakePolicy, MakeSft

HOLDER = """
import sys
from pathlib import Path
from pydantic import TypeAdapter
from recode.train.folder import claimed
from recode.train.recipes import Recipe

with claimed(Path(sys.argv[1]), TypeAdapter(Recipe).validate_json(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


def begin(folder: Path, recipe: SftRecipe | PolicyRecipe | PretrainRecipe) -> None:
    """Leave a folder as a run does that was stopped after its first step."""
    with claimed(folder, recipe):
        (folder / "log.jsonl").write_text("{}\n", encoding="utf-8")


def changed(recipe: PolicyRecipe, table: str, **values: Any) -> PolicyRecipe:
    return recipe.model_copy(update={table: getattr(recipe, table).model_copy(update=values)})


def test_keys_that_only_say_how_a_step_is_computed_may_change(policy: MakePolicy, sft: MakeSft, tmp_path: Path) -> None:
    recipe = policy().model_copy(update={"vllm": Vllm()})
    begin(tmp_path, recipe)
    leaner = changed(changed(recipe, "rollout", sequences_at_once=1), "optimization", gradient_checkpointing=True)
    leaner = changed(leaner, "vllm", memory_share=0.2, timeout=9.0, server="http://far:1")
    with claimed(tmp_path, leaner):
        assert json.loads((tmp_path / "recipe.json").read_text())["rollout"]["sequences_at_once"] == 1
    assert same_run(sft(), sft(examples_at_once=2).model_dump_json())
    for other in (
        changed(recipe, "rollout", max_new_tokens=7), changed(recipe, "optimization", learning_rate=0.5), policy(),
        changed(recipe, "vllm", mode="server"),
    ):  # fmt: skip
        with pytest.raises(RecipeError, match="holds a run of another recipe"), claimed(tmp_path, other):
            pass


def test_a_folder_in_which_nothing_is_learnt_yet_takes_a_mended_recipe(policy: MakePolicy, tmp_path: Path) -> None:
    too_long = changed(policy(0, steps=1), "rollout", max_new_tokens=2048)
    with pytest.raises(RecipeError, match=r"lower data\.max_prompt_tokens or rollout\.max_new_tokens"):
        run.train(too_long, tmp_path)
    with claimed(tmp_path, policy(0, steps=1)):
        assert json.loads((tmp_path / "recipe.json").read_text())["rollout"]["max_new_tokens"] == 6


@pytest.fixture
def own(sft: MakeSft, tiny_model: Path, tmp_path: Path) -> SftRecipe:
    """A recipe whose data and model no other test uses."""
    model = shutil.copytree(tiny_model, tmp_path / "start")
    # Under any name: every file of records is read.
    data = tmp_path / "own.ndjson"
    shutil.copy(sft().data.migrations[0], data)
    recipe = sft(model, steps=2)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"migrations": (str(data),)})})


def more_data(recipe: SftRecipe) -> str:
    path = Path(recipe.data.migrations[0])
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n", encoding="utf-8")
    return str(path)


def other_weights(recipe: SftRecipe) -> str:
    path = Path(recipe.model) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    return recipe.model


@pytest.mark.parametrize("change", [more_data, other_weights])
@pytest.mark.parametrize("done", [True, False])
def test_a_run_whose_data_or_start_changed_is_refused(change: Any, done: bool, own: SftRecipe, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    begin(folder, own)
    if done:
        (folder / "result.json").write_text("{}", encoding="utf-8")
    name = change(own)
    with pytest.raises(RecipeError, match="has changed since this run began; choose another folder") as caught:
        run.train(own, folder)
    assert f"{folder}: `{name}`" in str(caught.value)


def test_pretraining_is_refused_too_where_its_data_changed(own: SftRecipe, tmp_path: Path) -> None:
    recipe = PretrainRecipe(
        method="pretrain", steps=1, start=own.model, data={"retold": own.data.migrations, "retold_share": 0.5}
    )
    begin(tmp_path / "run", recipe)
    assert set(json.loads((tmp_path / "run" / "inputs.json").read_text())) == {own.model, *own.data.migrations}
    more_data(own)
    with pytest.raises(RecipeError, match="has changed since this run began"):
        pretraining.pretrain(recipe, tmp_path / "run")


def test_a_folder_without_digests_and_one_whose_data_is_gone_are_accepted(own: SftRecipe, tmp_path: Path) -> None:
    old, gone = tmp_path / "old", tmp_path / "gone"
    begin(old, own)
    begin(gone, own)
    (old / "inputs.json").unlink()
    (gone / "result.json").write_text("{}", encoding="utf-8")
    more_data(own)
    with claimed(old, own):
        # Nobody knows what it began with, so nothing is said about it.
        assert not (old / "inputs.json").exists()
    Path(own.data.migrations[0]).unlink()
    shutil.rmtree(own.model)
    assert run.train(own, gone) == gone / "model"


def test_a_second_run_in_a_folder_is_one_error_until_the_first_ends(sft: MakeSft, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), sft().model_dump_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with pytest.raises(RecodeError, match="another run is at work in this folder; wait for it") as caught:
            run.train(sft(), tmp_path)
        assert "\n" not in str(caught.value)
        first.kill()
    with claimed(tmp_path, sft()):
        pass


def test_of_several_processes_the_main_one_holds_the_folder(
    sft: MakeSft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with claimed(tmp_path / "run", sft()):
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"[]", b"{"])
def test_a_recipe_that_cannot_be_read_is_another(content: bytes, sft: MakeSft, tmp_path: Path) -> None:
    begin(tmp_path, sft())
    (tmp_path / "recipe.json").write_bytes(content)
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        run.train(sft(), tmp_path)


def test_a_folder_that_cannot_be_made_is_one_error(sft: MakeSft, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RecodeError, match=r"cannot be written .*choose another folder with --out"):
        run.train(sft(), tmp_path / "file" / "run")
