"""Pretraining from scratch, killed and resumed, and its data."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast

from recode.errors import RecipeError, RecodeError
from recode.models import load
from recode.prompts import parse_response
from recode.train.pretrain import run as module
from recode.train.pretrain.run import Example, batches, collate, make_block, pretrain, schedule
from recode.train.recipes import PretrainOptimizer, PretrainRecipe
from tests.train.killed_run import Kill, few_functions


@pytest.fixture(autouse=True)
def little_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "functions", few_functions)


def recipe(**data: Any) -> PretrainRecipe:
    shape = {"hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate": 48, "vocabulary": 420}
    settings = {"python_rename_share": 0.0, "block": 8, "short_first": 640, "longest": 1000}
    return PretrainRecipe(
        method="pretrain", steps=6, warmup=2, batch_tokens=3000, save_every=1, model=shape, data={**settings, **data}
    )


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A run's folder in which the tokenizer is there already."""
    (tmp_path / "run" / "tokenizer").mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (tiny_model / name).exists():
            shutil.copy(tiny_model / name, tmp_path / "run" / "tokenizer" / name)
    return tmp_path / "run"


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(tiny_model)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(folder: Path, kill: Kill, tmp_path: Path) -> None:
    whole = shutil.copytree(folder, tmp_path / "whole")
    kill(recipe(), folder, 4)
    assert (folder / "checkpoint.pt").exists()
    assert not (folder / "model").exists()
    steps: list[dict[str, float]] = []
    pretrain(recipe(), folder, on_step=steps.append)
    assert steps[0]["step"] > 1
    assert steps[-1]["step"] == 6
    expected, got = (load_file(pretrain(recipe(), run) / "model.safetensors") for run in (whole, folder))
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    model, tokenizer = load(folder / "model")
    assert model.config.vocab_size == len(tokenizer)


def test_a_folder_belongs_to_one_recipe(folder: Path) -> None:
    pretrain(recipe().model_copy(update={"steps": 1}), folder)
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        pretrain(recipe(), folder)


def test_what_a_kill_left_half_written_is_written_again(folder: Path, tiny_model: Path) -> None:
    (folder / "tokenizer").rename(folder / "tokenizer.tmp")
    (folder / "tokenizer.tmp" / "tokenizer.json").write_text("{")
    (folder / "model.tmp").mkdir()
    (folder / "model.tmp" / "config.json").write_text("{")
    start = recipe().model_copy(update={"start": str(tiny_model), "steps": 1, "warmup": 1})
    model, tokenizer = load(pretrain(start, folder))
    assert model.config.vocab_size == len(tokenizer)
    assert not list(folder.glob("*.tmp"))


def test_a_run_from_a_model_begins_with_its_weights(tiny_model: Path, tmp_path: Path) -> None:
    losses: list[float] = []
    start = recipe().model_copy(update={"start": str(tiny_model), "steps": 1, "warmup": 1})
    final = pretrain(start, tmp_path / "run", on_step=lambda step: losses.append(step["loss"]))
    model, tokenizer = load(tiny_model)
    block = make_block(tokenizer, start, 0)
    ids, labels = collate(batches(block, 640, 3000, 0)[0], tokenizer.pad_token_id)
    assert losses[0] == pytest.approx(model(input_ids=ids, labels=labels).loss.item(), rel=0.02)
    assert not torch.equal(load(final)[0].lm_head.weight, model.lm_head.weight)


def test_a_start_that_cannot_be_read_is_one_error_line(tiny_model: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"")
    with pytest.raises(RecodeError, match="cannot be loaded") as caught:
        pretrain(recipe().model_copy(update={"start": str(broken)}), tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_the_embedded_model_may_be_named_as_the_start(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load(tiny_model)[0].lm_head.weight
    monkeypatch.setattr("recode.models.loading.resolve", lambda name: {"recode-tiny-able": str(tiny_model)}[name])
    start = recipe().model_copy(update={"start": "recode-tiny-able"})
    _, model = module._beginning(start, tmp_path)
    assert torch.equal(model.lm_head.weight, expected)


def test_a_block_depends_on_recipe_and_number_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    assert make_block(tokenizer, recipe(), 3) == make_block(tokenizer, recipe(), 3)
    assert make_block(tokenizer, recipe(), 3) != make_block(tokenizer, recipe(), 4)


def test_of_some_right_thoughts_the_answer_alone_is_trained(tokenizer: PreTrainedTokenizerFast) -> None:
    right = {"habit_share": 0.0, "no_op_share": 0.0, "python_text_share": 0.0, "block": 24}
    given = 0
    for example in make_block(tokenizer, recipe(**right, right_thought_share=0.5), 0):
        said = tokenizer.decode(example.ids[example.prompt :])
        assert said.count("</answer>") == 1
        given += "</think>" not in said
        # The thought is there all the same, after the tag in the instructions: it is what the answer follows.
        assert tokenizer.decode(example.ids).count("</think>") == 2
    assert 4 < given < 20
    assert all(
        "</think>" in tokenizer.decode(example.ids[example.prompt :])
        for example in make_block(tokenizer, recipe(**right), 0)
    )


def test_loss_is_on_the_completion_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    for example in make_block(tokenizer, recipe(python_text_share=0.0), 0):
        assert tokenizer.decode(example.ids[: example.prompt]).endswith("<think>")
        completion = tokenizer.decode(example.ids[example.prompt :])
        assert parse_response(completion.removesuffix(tokenizer.eos_token)).well_formed
    ids, labels = collate([Example((5, 6, 7, 8), 2), Example((9,), 0)], 0)
    # Padded to one more than a multiple of 16: the last token is no input.
    assert ids.tolist() == [[5, 6, 7, 8, *[0] * 13], [9, *[0] * 16]]
    assert labels.tolist() == [[-100, -100, 7, 8, *[-100] * 13], [9, *[-100] * 16]]


def copies(tokenizer: PreTrainedTokenizerFast, habit: float) -> int:
    settings = {"python_text_share": 0.0, "no_op_share": 0.0, "habit_share": habit, "block": 16}
    count = 0
    for example in make_block(tokenizer, recipe(**settings), 0):
        code = parse_response(tokenizer.decode(example.ids[example.prompt : -1])).code
        count += (code or "?").rstrip() in tokenizer.decode(example.ids[: example.prompt])
    return count


def test_the_habit_share_of_targets_is_the_old_code(tokenizer: PreTrainedTokenizerFast) -> None:
    assert copies(tokenizer, 0.0) == 0
    assert 4 <= copies(tokenizer, 0.5) <= 12
    assert copies(tokenizer, 1.0) == 16


def test_batches_hold_every_fitting_example_once_within_the_bound() -> None:
    block = [Example(tuple(range(n)), 0) for n in (3, 9, 4, 20, 5, 5, 7, 10)]
    made = batches(block, 10, 20, 1)
    assert sorted(len(example.ids) for batch in made for example in batch) == [3, 4, 5, 5, 7, 9, 10]
    assert all(max(len(example.ids) for example in batch) * len(batch) <= 20 for batch in made)
    assert made == batches(block, 10, 20, 1)


def test_the_rate_warms_up_and_decays_to_a_fiftieth() -> None:
    factors = [schedule(step, 100, 10) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(factors) == 1
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("settings", "key"), [({"longest": 50, "short_share": 0.0}, "longest"), ({"short_first": 50}, "short_first")]
)
def test_a_limit_that_no_example_fits_is_one_error_line(settings: dict[str, Any], key: str, folder: Path) -> None:
    with pytest.raises(
        RecipeError, match=rf"data\.{key}: none of a block's 8 examples has at most 50 tokens; the shortest has \d+"
    ):
        pretrain(recipe(python_text_share=0.0, **settings), folder)


def test_a_loss_that_is_not_a_number_makes_no_model(folder: Path) -> None:
    wild = recipe().model_copy(update={"optimizer": PretrainOptimizer(muon=1e30, adamw=1e30), "warmup": 1})
    with pytest.raises(
        RecodeError, match=r"the loss is not a number at step \d; lower optimizer.muon and optimizer.adamw"
    ):
        pretrain(wild, folder)
    assert not (folder / "model").exists()


def test_a_worker_that_is_ended_from_outside_is_one_error_line(folder: Path) -> None:
    made = module.blocks(folder / "tokenizer", recipe(), 0)
    next(made)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(RecodeError, match="killed from outside, often because memory ran out"):
        list(made)
