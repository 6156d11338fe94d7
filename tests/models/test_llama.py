"""The small decoder: it is `transformers`' generate when greedy, and the model's distribution when sampling."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from recode.models.llama import Sampling, choose, sample, supports, until

GREEDY = Sampling(max_new_tokens=16, temperature=0.0)
NEVER = -1
"""An end token that no model writes."""


def llama(vocabulary: int = 60, **changes: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {
        "vocab_size": vocabulary, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "initializer_range": 0.3, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0,
    }  # fmt: skip
    return LlamaForCausalLM(LlamaConfig(**{**shape, **changes})).eval()


def prompts(vocabulary: int = 60) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(2, vocabulary, (n,), generator=generator).tolist() for n in (5, 1, 12, 3, 7, 12)]


def generated(model: Any, prompt: list[int], end: int) -> list[int]:
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=GREEDY.max_new_tokens, do_sample=False, pad_token_id=0
    )
    return until(out[0, len(prompt) :].tolist(), end)


@pytest.mark.parametrize(
    "changes", [{}, {"tie_word_embeddings": True}, {"num_key_value_heads": 4}, {"head_dim": 16}], ids=str
)
def test_greedy_output_is_that_of_generate(changes: dict[str, Any]) -> None:
    model = llama(**changes)
    free = sample(model, prompts(), 1, GREEDY, NEVER)
    # An end that comes at different times: prompts leave the batch one by one.
    end = free[0][0][5]
    written = sample(model, prompts(), 1, GREEDY, end)
    assert written == [[generated(model, prompt, end)] for prompt in prompts()]
    assert len({len(group[0]) for group in written}) > 1


def test_rope_theta_of_the_config_is_used() -> None:
    model = llama(rope_parameters={"rope_type": "default", "rope_theta": 50.0})
    assert sample(model, prompts(), 1, GREEDY, NEVER) == [[generated(model, p, NEVER)] for p in prompts()]
    assert sample(llama(), prompts(), 1, GREEDY, NEVER) != sample(model, prompts(), 1, GREEDY, NEVER)


def test_a_greedy_group_equals_the_rows_of_the_repeated_prompt() -> None:
    model = llama()
    groups = sample(model, prompts(), 3, GREEDY, NEVER)
    repeated = sample(model, [prompt for prompt in prompts() for _ in range(3)], 1, GREEDY, NEVER)
    assert groups == [[row[0] for row in repeated[i : i + 3]] for i in range(0, len(repeated), 3)]


def test_batches_of_any_size_give_the_same_greedy_output() -> None:
    model = llama()
    assert sample(model, prompts(), 2, GREEDY, NEVER, together=4) == sample(model, prompts(), 2, GREEDY, NEVER)


def test_samples_follow_the_models_distribution() -> None:
    vocabulary, temperature, n = 6, 0.8, 4000
    model = llama(vocabulary, initializer_range=0.15)
    drawn = sample(model, [[2, 5, 3]], n, Sampling(2, temperature, seed=3), NEVER)[0]
    with torch.inference_mode():
        first = torch.softmax(model(torch.tensor([[2, 5, 3]])).logits[0, -1] / temperature, -1)
        second = torch.stack(
            [
                torch.softmax(model(torch.tensor([[2, 5, 3, t]])).logits[0, -1] / temperature, -1)
                for t in range(vocabulary)
            ]
        )
    expected = first[:, None] * second
    seen = torch.zeros(vocabulary, vocabulary)
    for a, b in drawn:
        seen[a, b] += 1
    chi_square = ((seen - n * expected) ** 2 / (n * expected)).sum().item()
    # 35 degrees of freedom: 66.6 is exceeded once in a thousand times.
    assert chi_square < 66.6
    assert (seen / n - 1 / vocabulary**2).abs().sum() / 2 > 0.1, "a uniform sampler would pass as well"


def test_the_seed_alone_decides_what_is_drawn() -> None:
    model = llama()
    drawn = sample(model, prompts(), 4, Sampling(8, seed=1), NEVER)
    torch.manual_seed(99)
    assert sample(model, prompts(), 4, Sampling(8, seed=1), NEVER) == drawn
    assert sample(model, prompts(), 4, Sampling(8, seed=2), NEVER) != drawn
    assert len({tuple(ids) for ids in drawn[0]}) > 1


def test_a_seed_may_be_a_date_with_the_step_in_front_of_it() -> None:
    assert sample(llama(), prompts(), 1, Sampling(2, seed=20261122 * 1_000_000 + 64), NEVER)


def test_what_a_sample_draws_does_not_depend_on_when_others_end() -> None:
    model = llama()
    free = sample(model, prompts(), 4, Sampling(16, seed=3), NEVER)
    end = free[2][1][4]
    assert sample(model, prompts(), 4, Sampling(16, seed=3), end) == [[until(ids, end) for ids in g] for g in free]


def test_completions_stop_at_the_end_token() -> None:
    model, end = llama(8, initializer_range=0.1), 3
    drawn = [ids for group in sample(model, prompts(8), 8, Sampling(12, seed=1), end) for ids in group]
    assert all(ids.count(end) <= 1 and (end not in ids or ids[-1] == end) for ids in drawn)
    assert all(len(ids) == 12 for ids in drawn if end not in ids)
    assert 0 < sum(end in ids for ids in drawn) <= len(drawn)


@pytest.mark.parametrize(("top_p", "kept"), [(0.35, {0}), (0.5, {0, 1}), (0.75, {0, 1, 2}), (1.0, {0, 1, 2, 3})])
def test_top_p_keeps_the_nucleus(top_p: float, kept: set[int]) -> None:
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log().expand(2000, 4)
    drawn = choose(logits, Sampling(top_p=top_p), torch.rand(2000, generator=torch.Generator().manual_seed(0)))
    assert set(drawn.tolist()) == kept


def other(name: str) -> Any:
    small = {"vocab_size": 60, "bos_token_id": None, "eos_token_id": None}
    if name == "gpt2":
        return GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=1, n_head=2, **small))
    if name == "qwen2":
        shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
        return Qwen2ForCausalLM(Qwen2Config(num_key_value_heads=1, **shape, **small))
    if name == "scaled positions":
        return llama(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0})
    return llama(**{name: True})


@pytest.mark.parametrize("name", ["gpt2", "qwen2", "attention_bias", "mlp_bias", "scaled positions"])
def test_models_of_another_kind_are_not_supported(name: str) -> None:
    assert supports(llama())
    assert not supports(other(name))
