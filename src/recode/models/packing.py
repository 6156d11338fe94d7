"""Sequences laid back to back in one row, a prompt once for all of its completions: nothing is padded and nothing is computed twice.

Only attention sees where a sequence begins; every other layer works on single tokens. The layout travels to the attention function through
the keyword arguments of the model's forward pass, and positions restart behind the prompt for each completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

UNUSED_MASK = torch.ones(1, 1, 1, 1, dtype=torch.bool)
"""Given in place of a mask: transformers passes four dimensions on as they are, and packed attention reads none."""


@dataclass(frozen=True)
class PackedGroup:
    """A prompt of token ids and its completions; without any, the prompt is a whole sequence."""

    prompt: list[int]
    completions: Sequence[list[int]] = ()


@dataclass(frozen=True)
class Segment:
    """Where a group lies in the row: its first token, and the lengths of its prompt and completions in tokens."""

    start: int
    prompt: int
    completions: tuple[int, ...]

    @property
    def own(self) -> slice:
        """Return where the completions lie, one behind the other."""
        first = self.start + self.prompt
        return slice(first, first + sum(self.completions))


@dataclass(frozen=True)
class Packed:
    """Groups in one row of T tokens."""

    ids_t: Tensor
    positions_t: Tensor
    """Each token's place in its own sequence (T,)."""
    predictors_n: Tensor
    """For each completion token in order (N,): the place in the row of the token that predicts it."""
    targets_n: Tensor
    """The completion tokens (N,)."""
    segments: tuple[Segment, ...]


def pack(groups: Sequence[PackedGroup]) -> Packed:
    """Return groups laid back to back. Each prompt must hold a token."""
    ids: list[int] = []
    positions: list[int] = []
    predictors: list[int] = []
    targets: list[int] = []
    segments = []
    for group in groups:
        start, length = len(ids), len(group.prompt)
        ids += group.prompt
        positions += range(length)
        for completion in group.completions:
            first = len(ids)
            predictors += [start + length - 1, *range(first, first + len(completion) - 1)][: len(completion)]
            targets += completion
            ids += completion
            positions += range(length, length + len(completion))
        segments.append(Segment(start, length, tuple(map(len, group.completions))))
    return Packed(_longs(ids), _longs(positions), _longs(predictors), _longs(targets), tuple(segments))


def _longs(values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.long)


def hidden_states(model: Any, packed: Packed) -> Tensor:
    """Return the last hidden states (T, C) of a Llama whose attention is `recode.models.attention`."""
    out = model.model(
        input_ids=packed.ids_t[None],
        position_ids=packed.positions_t[None],
        attention_mask=UNUSED_MASK,
        use_cache=False,
        segments=packed.segments,
    )
    hidden: Tensor = out.last_hidden_state[0]
    return hidden


def packed_attention(query: Tensor, key: Tensor, value: Tensor, scaling: float, segments: Sequence[Segment]) -> Tensor:
    """Return attention (1, T, heads, D) for queries, keys and values (1, heads, T, D), each token over its own sequence only."""
    q, k, v = query[0], key[0], value[0]
    parts = []
    for segment in segments:
        prompt = slice(segment.start, segment.start + segment.prompt)
        parts.append(_causal(q[:, prompt], k[:, prompt], v[:, prompt], scaling))
        if any(segment.completions):
            shared = (k[:, prompt], v[:, prompt])
            parts.append(
                _behind(q[:, segment.own], k[:, segment.own], v[:, segment.own], shared, segment.completions, scaling)
            )
    return torch.cat(parts, dim=1).transpose(0, 1)[None]


def _causal(q: Tensor, k: Tensor, v: Tensor, scaling: float) -> Tensor:
    """Return causal attention of one sequence, (heads, length, D)."""
    length = q.shape[1]
    scores = torch.baddbmm(_causal_bias(length, q).expand(q.shape[0], -1, -1), q, k.transpose(1, 2), alpha=scaling)
    return scores.softmax(-1) @ v


def _behind(
    q: Tensor, k: Tensor, v: Tensor, prompt: tuple[Tensor, Tensor], lengths: tuple[int, ...], scaling: float
) -> Tensor:
    """Return attention of completions over their shared prompt and themselves, (heads, tokens, D), in the order of the row.

    The prompt's keys meet all completions in one product. For their own part completions are padded to the longest.
    """
    heads, size = q.shape[0], q.shape[2]
    keys, values = prompt
    longest, count, read = max(lengths), len(lengths), keys.shape[1]
    place = torch.arange(longest)
    real = place < torch.tensor(lengths)[:, None]
    starts = torch.tensor(lengths).cumsum(0) - torch.tensor(lengths)
    index = torch.where(real, starts[:, None] + place, 0).flatten()
    # (heads·completions, longest, D)
    own_q, own_k, own_v = (x[:, index].reshape(heads * count, longest, size) for x in (q, k, v))
    bias = _causal_bias(longest, q).expand(heads * count, -1, -1)
    own = torch.baddbmm(bias, own_q, own_k.transpose(1, 2), alpha=scaling)
    over_prompt = (own_q.reshape(heads, count * longest, size) @ keys.transpose(1, 2)) * scaling
    scores = torch.cat([over_prompt.view(heads * count, longest, read), own], dim=-1).softmax(-1)
    on_prompt, on_own = scores.split([read, longest], dim=-1)
    out = (on_prompt.reshape(heads, count * longest, read) @ values).view(heads * count, longest, size) + on_own @ own_v
    return out.view(heads, count * longest, size)[:, real.flatten()]


def _causal_bias(length: int, like: Tensor) -> Tensor:
    hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
    return torch.zeros(1, length, length, dtype=like.dtype).masked_fill_(hidden, torch.finfo(like.dtype).min)
