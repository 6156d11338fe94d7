"""Causal attention by plain matrix products, registered with `transformers` under the name `recode_plain`.

For short sequences in bfloat16 on a CPU it is faster than PyTorch's fused kernel, whose backward pass is slow there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from recode.models.packing import Segment, packed_attention

NAME = "recode_plain"


def plain_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, dropout: float = 0.0, segments: Sequence[Segment] | None = None, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Compute attention. The interface is that of `transformers`.

    Args:
        module: the attention layer (unused).
        query: (batch, heads, length, head size).
        key: (batch, key-value heads, length, head size).
        value: as `key`.
        attention_mask: boolean (batch, 1, length, length), true where attention is allowed; None for causal attention.
        scaling: the factor on the scores; by default one over the square root of the head size.
        dropout: must be 0.
        segments: where sequences lie in a row that holds several; the mask is not read then.

    Returns:
        The output, (batch, length, heads, head size), and None in place of the attention weights.
    """
    if dropout:
        raise ValueError("recode_plain attention has no dropout")
    batch, heads, length, size = query.shape
    groups = heads // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scale = size**-0.5 if scaling is None else scaling
    if segments is not None:
        return packed_attention(query, key, value, scale, segments), None
    seen = key.shape[2]
    if attention_mask is None:
        allowed = torch.ones(length, seen, dtype=torch.bool).tril(seen - length)[None]
    else:
        allowed = attention_mask.expand(batch, heads, length, seen).reshape(-1, length, seen)
    bias = torch.zeros(allowed.shape, dtype=query.dtype).masked_fill_(~allowed, torch.finfo(query.dtype).min)
    scores = torch.baddbmm(
        bias.expand(batch * heads, -1, -1), query.reshape(-1, length, size), key.reshape(-1, seen, size).transpose(1, 2),
        alpha=scale,
    )  # fmt: skip
    out = scores.softmax(-1) @ value.reshape(-1, seen, size)
    return out.view(batch, heads, length, size).transpose(1, 2).contiguous(), None


def register() -> str:
    """Register the attention with `transformers`; return its name, for `attn_implementation`."""
    AttentionInterface.register(NAME, plain_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME
