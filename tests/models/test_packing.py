"""Packed sequences: hidden states and gradients are those of each sequence alone, and a shared prompt counts for all of its completions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from recode.models.attention import register
from recode.models.packing import PackedGroup, hidden_states, pack

GROUPS = [
    PackedGroup([3, 4, 5, 6, 7], [[8, 9], [10, 11, 12, 13], [14]]),
    PackedGroup([20, 21], [[22, 23, 24]]),
    PackedGroup([30, 31, 32]),
    PackedGroup([33], [[], [34, 35]]),
]


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, attn_implementation=register(),
    )  # fmt: skip
    return LlamaForCausalLM(config)


def logps_alone(model: LlamaForCausalLM, prompt: list[int], completion: list[int]) -> Tensor:
    ids = torch.tensor([prompt + completion])
    spread = model(input_ids=ids).logits[0].log_softmax(-1)[len(prompt) - 1 : -1]
    return spread.gather(1, ids[0, len(prompt) :, None])[:, 0]


def gradient(model: LlamaForCausalLM) -> Tensor:
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def test_each_completion_counts_as_if_it_were_alone(model: LlamaForCausalLM) -> None:
    packed = pack(GROUPS)
    logits = model.lm_head(hidden_states(model, packed)[packed.predictors_n])
    ours = logits.log_softmax(-1).gather(1, packed.targets_n[:, None])[:, 0]
    pairs = [(group.prompt, completion) for group in GROUPS for completion in group.completions if completion]
    alone = torch.cat([logps_alone(model, *pair) for pair in pairs])
    torch.testing.assert_close(ours, alone, rtol=1e-4, atol=1e-5)
    weights = torch.linspace(-1, 1, len(alone))
    gradients = []
    for values in (ours, alone):
        model.zero_grad()
        (values * weights).sum().backward()
        gradients.append(gradient(model))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)


def test_nothing_is_padded_and_a_prompt_is_there_once() -> None:
    packed = pack(GROUPS)
    assert len(packed.ids_t) == sum(len(group.prompt) + sum(map(len, group.completions)) for group in GROUPS)
    assert packed.positions_t[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 5]
    assert packed.predictors_n[:7].tolist() == [4, 5, 4, 7, 8, 9, 4]


def test_a_sequence_does_not_see_its_neighbours(model: LlamaForCausalLM) -> None:
    first = hidden_states(model, pack([GROUPS[2], GROUPS[1]]))[:3]
    second = hidden_states(model, pack([GROUPS[2], GROUPS[0]]))[:3]
    torch.testing.assert_close(first, second)
