"""A run's folder: killed and resumed, refused, finished, broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from recode.errors import RecipeError, RecodeError
from recode.models import load
from recode.prompts import parse_response
from recode.records import read_jsonl
from recode.train.data import load_prompts
from recode.train.folder import same_run
from recode.train.recipes import Validation
from recode.train.trl import run
from tests.train.killed_run import Kill, MakePolicy, MakeSft, varied

CLOCK = frozenset({"seconds", "step_time"})


@pytest.fixture(autouse=True)
def reward_with_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model gets the same reward for everything it writes; here it depends on the first token."""
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def log_of(folder: Path, without: frozenset[str] = CLOCK) -> list[dict[str, Any]]:
    rows = [row for _, row in read_jsonl(folder / "log.jsonl")]
    return [{key: value for key, value in row.items() if key not in without} for row in rows]


@pytest.fixture(scope="session")
def finished(sft: MakeSft, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an SFT run that went through."""
    folder = tmp_path_factory.mktemp("finished")
    run.train(sft(), folder)
    return folder


def check_resumed(folder: Path, whole: Path, steps: int, start: Path, without: frozenset[str] = CLOCK) -> None:
    assert same(weights(folder), weights(whole))
    assert log_of(folder, without) == log_of(whole, without)
    assert [row["step"] for row in log_of(folder)] == list(range(1, steps + 1))
    assert not same(weights(folder), load_file(start / "model.safetensors"))


def test_a_killed_sft_run_goes_on_to_the_same_weights(
    finished: Path, sft: MakeSft, kill: Kill, tmp_path: Path, tiny_model: Path
) -> None:
    folder = tmp_path / "run"
    kill(sft(), folder, 4)
    assert [path.name for path in (folder / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]
    run.train(sft(), folder)
    # TRL's count of tokens restarts in a resumed SFT run.
    check_resumed(folder, finished, 5, tiny_model, CLOCK | {"num_tokens"})


def test_a_killed_dapo_run_goes_on_to_the_same_weights(
    policy: MakePolicy, kill: Kill, tmp_path: Path, tiny_model: Path
) -> None:
    folder = tmp_path / "run"
    kill(policy(), folder, 4)
    assert [path.name for path in (folder / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]
    run.train(policy(), folder)
    run.train(policy(), tmp_path / "whole")
    check_resumed(folder, tmp_path / "whole", 5, tiny_model)
    assert sum(row["dynamic_sampling/groups_dropped"] for row in log_of(folder)) > 0


def test_a_run_killed_before_its_result_is_written_only_writes_it(sft: MakeSft, finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(folder / "model")
    (folder / "result.json").unlink()
    run.train(sft(), folder)
    assert same(weights(folder), weights(finished))
    assert log_of(folder) == log_of(finished)
    assert (folder / "result.json").exists()


def test_a_run_killed_while_it_writes_its_model_keeps_its_seconds(sft: MakeSft, finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(folder / "model")
    (folder / "result.json").unlink()
    run.train(sft(), folder)
    before, after = (json.loads((run_ / "result.json").read_text())["seconds"] for run_ in (finished, folder))
    assert after == before > 0


def test_a_half_written_checkpoint_is_deleted_and_the_one_before_is_used(
    sft: MakeSft, finished: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(folder / "model")
    (folder / "result.json").unlink()
    checkpoints = folder / "checkpoints"
    (checkpoints / "checkpoint-5" / "trainer_state.json").unlink()
    assert run._last_checkpoint(checkpoints) == str(checkpoints / "checkpoint-4")
    assert [path.name for path in checkpoints.glob("checkpoint-*")] == ["checkpoint-4"]
    run.train(sft(), folder)
    assert same(weights(folder), weights(finished))


def test_the_newest_whole_checkpoint_is_the_last(tmp_path: Path) -> None:
    assert run._last_checkpoint(tmp_path) is None
    for step, state in ((2, "{}"), (10, "{}"), (11, '{"half'), (12, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state, encoding="utf-8")
    assert run._last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-10"}


def test_a_finished_run_returns_at_once(sft: MakeSft, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "load_base", None)
    before = {path: path.stat().st_mtime_ns for path in (finished / "model").iterdir()}
    assert run.train(sft(), finished) == finished / "model"
    assert {path: path.stat().st_mtime_ns for path in (finished / "model").iterdir()} == before


def test_another_recipe_in_the_same_folder_is_refused(sft: MakeSft, finished: Path) -> None:
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        run.train(sft(steps=6), finished)


def test_keys_that_came_later_do_not_make_another_recipe(sft: MakeSft, finished: Path) -> None:
    asked = json.loads((finished / "recipe.json").read_text())
    del asked["adapter"], asked["hardware"]
    assert same_run(sft(), json.dumps(asked))
    assert not same_run(sft(), json.dumps({**asked, "seed": 4}))
    assert not same_run(sft(), "{}")


def test_the_trained_model_loads_and_knows_its_steps(finished: Path) -> None:
    model, tokenizer = load(finished / "model")
    assert model.config.vocab_size == len(tokenizer)
    assert (finished / "tensorboard").exists()
    assert [row["step"] for row in log_of(finished)] == [1, 2, 3, 4, 5]


def test_training_on_the_gold_lowers_its_loss(finished: Path) -> None:
    losses = [row["loss"] for row in log_of(finished)]
    assert losses[-1] < losses[0] - 0.5


def test_sft_rows_are_prompt_gold_and_the_end_token_with_loss_on_the_latter(sft: MakeSft, tmp_path: Path) -> None:
    recipe = sft()
    model, tokenizer = load(recipe.model)
    prompts = load_prompts(recipe.data, tokenizer, recipe.seed)
    trainer = run._sft(recipe, tmp_path, model, tokenizer, prompts, run._Watcher(tmp_path, None))
    golds = {row["prompt"]: row["gold"] for row in prompts.migrations + prompts.no_ops}
    rows = list(trainer.train_dataset)
    assert len(rows) == 5 * 4
    for batch in trainer.get_train_dataloader():
        for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
            prompt = tokenizer.decode(
                [i for i, label in zip(ids, labels, strict=True) if label == -100 and i != tokenizer.pad_token_id]
            )
            learned = tokenizer.decode([label for label in labels if label != -100])
            assert learned == golds[prompt] + tokenizer.eos_token
            assert parse_response(learned.removesuffix(tokenizer.eos_token)).well_formed


def test_a_loss_that_is_no_number_is_an_error(sft: MakeSft, tiny_model: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    model, _ = load(broken)
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
    model.save_pretrained(broken)
    with pytest.raises(RecodeError, match=r"not a number at step 1; lower optimization\.learning_rate"):
        run.train(sft(broken), tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()


def test_every_step_is_reported_and_nothing_is_printed(
    sft: MakeSft, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[dict[str, float]] = []
    run.train(sft(steps=2), tmp_path, on_step=steps.append)
    assert [(step["step"], step["steps"]) for step in steps] == [(1, 2), (2, 2)]
    assert all(step["seconds"] > 0 and step["loss"] > 0 for step in steps)
    assert capsys.readouterr().out == ""


def test_greedy_validation_is_logged_beside_the_loss_and_changes_no_weight(
    sft: MakeSft, finished: Path, data: dict[str, Any], tmp_path: Path
) -> None:
    settings = Validation(every=2, entries=3, files=data["migrations"], max_new_tokens=8)
    shown: list[dict[str, float]] = []
    recipe = sft().model_copy(update={"validation": settings})
    run.train(recipe, tmp_path, on_step=shown.append)
    rows = log_of(tmp_path)
    assert [row["step"] for row in rows if "validation_exact" in row] == [2, 4, 5]
    assert [row["step"] for row in shown if "validation_exact" in row] == [2, 4, 5]
    # A random model writes nothing well-formed in eight tokens.
    assert all(
        row["validation_well_formed"] == row["validation_copy"] == 0 for row in rows if "validation_exact" in row
    )
    assert same(weights(tmp_path), weights(finished))
    # What is measured may change in a run that has begun.
    assert same_run(sft(), (tmp_path / "recipe.json").read_bytes())
