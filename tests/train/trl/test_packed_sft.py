"""Packed fine-tuning computes what TRL's own trainer computes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from recode.models import load
from recode.train.trl.packed_sft import groups_of
from recode.train.trl.run import train
from tests.train.killed_run import MakeSft


@pytest.mark.parametrize("at_once", [4, 2])
def test_losses_and_weights_are_those_of_padded_training(sft: MakeSft, tmp_path: Path, at_once: int) -> None:
    losses, weights = [], []
    for packed in (False, True):
        recipe = sft(precision="float32", packed=packed, examples_at_once=at_once)
        folder = train(recipe, tmp_path / str(packed))
        log = [json.loads(line) for line in (tmp_path / str(packed) / "log.jsonl").read_text().splitlines()]
        losses.append(
            [[line["loss"], line["grad_norm"], line["num_tokens"], line["mean_token_accuracy"]] for line in log]
        )
        model, _ = load(folder)
        weights.append(torch.cat([weight.flatten() for weight in model.parameters()]))
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(losses[1]), rtol=2e-3, atol=2e-3)
    # AdamW divides by small gradients, so that rounding shows in weights.
    assert (weights[0] - weights[1]).abs().max() < 5e-3


def test_examples_with_the_same_prompt_share_it() -> None:
    inputs = {
        "input_ids": torch.tensor([[1, 2, 3, 4], [1, 2, 5, 0], [6, 7, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]),
        "labels": torch.tensor([[-100, -100, 3, 4], [-100, -100, 5, -100], [-100, 7, -100, -100]]),
    }
    groups = groups_of(inputs)
    assert [(group.prompt, group.completions) for group in groups] == [([1, 2], [[3, 4], [5]]), ([6], [[7]])]
