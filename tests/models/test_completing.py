"""`render`, `complete` and the way out for models that the small decoder does not cover."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from recode.invent import generate
from recode.models import Sampling, complete, load, render, sample_ids
from recode.models import llama as decoder
from recode.models.prompting import Prompt, render_prompt
from recode.prompts import PREFILL, SYSTEM, user_message

TOKENIZER = SimpleNamespace(eos_token_id=1, pad_token_id=0)
PROMPTS = [[4, 5, 6], [7], [8, 9, 10, 11, 12]]


@pytest.fixture
def qwen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A random model of another kind; the small decoder must not be called."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    special = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    config = Qwen2Config(vocab_size=40, num_key_value_heads=1, initializer_range=0.3, **shape, **special)
    monkeypatch.setattr(decoder, "sample", None)
    return Qwen2ForCausalLM(config).eval()


def test_other_models_are_sampled_by_generate(qwen: Any) -> None:
    greedy = sample_ids(qwen, TOKENIZER, PROMPTS, 2, Sampling(8, 0.0))
    for prompt, group in zip(PROMPTS, greedy, strict=True):
        ids = torch.tensor([prompt])
        expected = qwen.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        assert group == [decoder.until(expected[0, len(prompt) :].tolist(), 1)] * 2


def test_a_models_own_settings_do_not_change_what_is_sampled(qwen: Any) -> None:
    plain = sample_ids(qwen, TOKENIZER, PROMPTS, 1, Sampling(8, 0.0))
    qwen.generation_config.repetition_penalty = 1.5
    qwen.generation_config.no_repeat_ngram_size = 1
    assert sample_ids(qwen, TOKENIZER, PROMPTS, 1, Sampling(8, 0.0)) == plain


def test_generate_depends_on_the_seed_and_leaves_the_global_one_alone(qwen: Any) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    drawn = sample_ids(qwen, TOKENIZER, PROMPTS, 3, Sampling(6, seed=1))
    assert torch.rand(1) == expected
    assert sample_ids(qwen, TOKENIZER, PROMPTS, 3, Sampling(6, seed=1)) == drawn
    assert sample_ids(qwen, TOKENIZER, PROMPTS, 3, Sampling(6, seed=2)) != drawn
    assert [len(group) for group in drawn] == [3, 3, 3]


def test_completions_are_text_without_special_tokens(tiny_model: Path) -> None:
    model, tokenizer = load(tiny_model)
    rows = [render(tokenizer, entry, entry.old_code) for entry in itertools.islice(generate(1), 3)]
    groups = complete(model, tokenizer, rows, 2, Sampling(12, seed=4))
    assert [len(group) for group in groups] == [2, 2, 2]
    assert all(isinstance(text, str) and "<|" not in text for group in groups for text in group)
    assert groups == complete(model, tokenizer, rows, 2, Sampling(12, seed=4))


def test_a_prompt_ends_inside_the_think_block(tiny_model: Path) -> None:
    entry = next(generate(1))
    for tokenizer in (load(tiny_model)[1], SimpleNamespace(chat_template=None)):
        prompt = render(tokenizer, entry, entry.old_code)
        assert prompt.endswith(PREFILL)
        assert SYSTEM in prompt
        assert user_message(entry, entry.old_code) in prompt


def test_a_template_that_opens_the_block_itself_opens_it_once() -> None:
    tokenizer = SimpleNamespace(
        chat_template="x", apply_chat_template=lambda turns, **options: "<|assistant|><think>\n"
    )
    prompt = Prompt((("user", "Do it."),), prefill=PREFILL)
    assert render_prompt(tokenizer, prompt) == "<|assistant|><think>\n"
    assert render_prompt(tokenizer, prompt.begun("I know.</think>")) == "<|assistant|><think>\nI know.</think>"
