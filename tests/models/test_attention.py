"""The plain attention against the library's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from recode.models.attention import plain_attention, register


def model(attention: str, kv_heads: int) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, head_dim=8,
        num_key_value_heads=kv_heads, attn_implementation=attention,
    )  # fmt: skip
    return LlamaForCausalLM(config)


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("padded", [False, True])
def test_same_output_and_gradients_as_the_library(kv_heads: int, padded: bool) -> None:
    ids = torch.randint(0, 50, (3, 17), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    if padded:
        mask[0, :5] = 0
        mask[2, 14:] = 0
    results = []
    for attention in ("eager", register()):
        made = model(attention, kv_heads)
        logits = made(input_ids=ids, attention_mask=mask).logits[mask.bool()]
        logits.square().sum().backward()
        results.append((logits.detach(), made.model.embed_tokens.weight.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_dropout_is_refused() -> None:
    q = torch.zeros(1, 1, 2, 4)
    with pytest.raises(ValueError, match="dropout"):
        plain_attention(None, q, q, q, None, dropout=0.1)
