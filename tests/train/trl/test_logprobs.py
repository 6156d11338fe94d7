"""Log-probabilities of completions: moved, sorted and batched, they are those of each sequence alone."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from recode.models.attention import register
from recode.train.trl.logprobs import completion_logps, packed_logps


def little() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, attn_implementation=register(),
    )  # fmt: skip
    return LlamaForCausalLM(config)


@pytest.mark.parametrize("idle", [(True, False, True, False, False), (True,) * 5, (False,) * 5])
def test_sequences_without_advantage_are_passed_over_and_the_gradient_is_the_same(idle: tuple[bool, ...]) -> None:
    model = little()
    ids, real = torch.randint(0, 40, (5, 13)), torch.ones(5, 13, dtype=torch.bool)
    advantages = torch.tensor([0.0 if one else 1.5 for one in idle])
    values, gradients = [], []
    for given in (None, torch.tensor(idle)):
        model.zero_grad()
        logps, entropies = completion_logps(model, ids, real, 6, temperature=0.7, at_once=2, idle_s=given)
        (logps.sum(1) * advantages).sum().backward()
        values.append((logps.detach(), entropies))
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]))
    torch.testing.assert_close(values[0], values[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)


def test_each_sequence_counts_as_if_it_were_alone() -> None:
    model = little()
    prompts, completions = (3, 7, 5, 7, 1), (4, 2, 6, 0, 6)
    ids = torch.randint(0, 40, (5, 13))
    real = torch.zeros_like(ids, dtype=torch.bool)
    for row, (before, after) in enumerate(zip(prompts, completions, strict=True)):
        real[row, 7 - before : 7 + after] = True
    logps, entropies = completion_logps(model, ids, real, 6, temperature=0.7, at_once=2)
    for row, (before, after) in enumerate(zip(prompts, completions, strict=True)):
        alone = ids[row, real[row]][None]
        spread = (model(input_ids=alone).logits[0].detach() / 0.7).log_softmax(-1)[before - 1 : before + after - 1]
        expected = spread.gather(1, alone[0, before:, None])[:, 0]
        torch.testing.assert_close(logps[row, :after].detach(), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(entropies[row, :after], -(spread.exp() * spread).sum(-1), rtol=1e-4, atol=1e-5)
        assert not logps[row, after:].any()
        assert not entropies[row, after:].any()
    logps.sum().backward()
    assert model.model.embed_tokens.weight.grad is not None


@pytest.mark.parametrize("idle", [None, (True, False, False, True, False, False), (True,) * 6])
@pytest.mark.parametrize("at_once", [1, 3, 6])
def test_a_prompt_that_is_computed_once_counts_for_each_of_its_completions(
    idle: tuple[bool, ...] | None, at_once: int
) -> None:
    model = little()
    ids, real = torch.randint(0, 40, (6, 13)), torch.zeros(6, 13, dtype=torch.bool)
    # Two prompts, of 5 and 3 tokens, and completions of 0 to 6 tokens.
    for row, (like, before, after) in enumerate([(0, 5, 4), (1, 3, 6), (0, 5, 2), (0, 5, 0), (1, 3, 1), (1, 3, 6)]):
        ids[row, 7 - before : 7] = ids[like, 7 - before : 7]
        real[row, 7 - before : 7 + after] = True
    advantages = torch.linspace(-1, 1, 6)
    if idle is not None and not all(idle):
        advantages = advantages * ~torch.tensor(idle)
    found = []
    for compute in (completion_logps, packed_logps):
        model.zero_grad()
        given = None if idle is None else torch.tensor(idle)
        logps, entropies = compute(model, ids, real, 6, temperature=0.7, at_once=at_once, idle_s=given)
        (logps.sum(1) * advantages).sum().backward()
        gradient = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
        found.append((logps.detach(), entropies, gradient))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_skipped_sequences_leave_the_gradient_as_it_is() -> None:
    model = little()
    ids, real = torch.randint(0, 40, (6, 13)), torch.ones(6, 13, dtype=torch.bool)
    ids[1:3, :7], ids[3:, :7] = ids[0, :7], ids[5, :7]
    idle = torch.tensor([True, True, True, False, False, False])
    advantages = torch.linspace(-1, 1, 6) * ~idle
    found = []
    for skip in (False, True):
        model.zero_grad()
        logps, entropies = packed_logps(model, ids, real, 6, 1.0, 3, idle, skip_idle=skip)
        # The first update on fresh rollouts: each log-probability is compared with itself.
        ((logps - logps.detach()).exp() * advantages[:, None]).sum().backward()
        found.append((logps.detach(), entropies, torch.cat([w.grad.flatten() for w in model.parameters()])))
    torch.testing.assert_close(found[0][2], found[1][2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[0][0][3:], found[1][0][3:], rtol=1e-4, atol=1e-5)
    assert not found[1][0][:3].any()
    torch.testing.assert_close(found[1][1][:3].mean(), found[0][1][3:].mean(), rtol=1e-4, atol=1e-5)


def test_a_batch_without_any_advantage_costs_nothing_and_can_be_trained_on() -> None:
    model = little()
    ids, real = torch.randint(0, 40, (3, 13)), torch.ones(3, 13, dtype=torch.bool)
    logps, _ = packed_logps(model, ids, real, 6, 1.0, 3, torch.ones(3, dtype=torch.bool), skip_idle=True)
    logps.sum().backward()
    assert not any(weight.grad.any() for weight in model.parameters() if weight.grad is not None)
