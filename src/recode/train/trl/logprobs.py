"""Log-probabilities of completions by a small model on a CPU, without computing padding.

Suffixes name the dimensions of a tensor: `ids_sl` is (S, L), with S sequences and L token positions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recode.models.packing import PackedGroup, hidden_states, pack


def completion_logps(
    model: Any,
    ids_sl: Tensor,
    real_sl: Tensor,
    kept: int,
    temperature: float,
    at_once: int,
    idle_s: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of the last `kept` tokens of each sequence, and the entropies of the distributions they were drawn from.

    Both are (S, `kept`), 0 at padding.

    Args:
        model: a causal model with `model` and `lm_head`.
        ids_sl: token ids (S, L), padded on both sides.
        real_sl: true where a token is not padding (S, L); one run of trues in each row.
        kept: how many positions at the end belong to completions, padding included.
        temperature: the logits are divided by it.
        at_once: sequences in one forward pass.
        idle_s: true for sequences that need no gradient (S,); None: all need one.
    """
    lengths, starts = real_sl.sum(1), real_sl.int().argmax(1)
    counted = real_sl[:, -kept:].sum(1)
    order = lengths.argsort(stable=True)
    logps: list[Tensor] = [torch.empty(0)] * len(lengths)
    entropies = list(logps)
    for rows, with_gradient in _batches(order, idle_s, at_once):
        position = torch.arange(int(lengths[rows].max()), device=ids_sl.device)
        ids = ids_sl[rows].gather(1, (starts[rows, None] + position).clamp(max=ids_sl.shape[1] - 1))
        # Position p predicts token p + 1.
        wanted = (position >= (lengths - counted - 1)[rows, None]) & (position < (lengths - 1)[rows, None])
        with torch.set_grad_enabled(with_gradient and torch.is_grad_enabled()):
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[wanted]
            log_p = (model.lm_head(hidden).float() / temperature).log_softmax(-1)
        with torch.no_grad():
            entropy = -(log_p.exp() * log_p).sum(-1)
        chosen = log_p.gather(1, ids[:, 1:][wanted[:, :-1]][:, None])[:, 0]
        sizes = counted[rows].tolist()
        for row, logp, row_entropy in zip(rows.tolist(), chosen.split(sizes), entropy.split(sizes), strict=True):
            logps[row], entropies[row] = logp, row_entropy
    empty = torch.zeros(real_sl[:, -kept:].shape, device=ids_sl.device)
    mask = real_sl[:, -kept:]
    return empty.masked_scatter(mask, torch.cat(logps)), empty.masked_scatter(mask, torch.cat(entropies))


def packed_logps(
    model: Any,
    ids_sl: Tensor,
    real_sl: Tensor,
    kept: int,
    temperature: float,
    at_once: int,
    idle_s: Tensor | None = None,
    *,
    skip_idle: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return what `completion_logps` returns; arguments as there. A prompt is computed once for all of its completions, and nothing is padded.

    A forward pass takes whole groups, of at least one and at most `at_once` sequences if a group has no more. The model's attention must be
    that of `recode.models.attention`.

    With `skip_idle` idle sequences are not computed at all: their log-probabilities are 0, and their entropies the mean of the others, or
    0 if all are idle (which lowers a mean over batches). That is right where the caller compares a log-probability with itself alone, as
    the first update on fresh rollouts does.
    """
    mask = real_sl[:, -kept:]
    logps: list[Tensor] = [torch.empty(0)] * len(ids_sl)
    entropies = list(logps)
    if skip_idle and idle_s is not None and idle_s.all():
        # backward() needs something to reach.
        anchor = next(weight for weight in model.parameters() if weight.requires_grad).flatten()[0] * 0
        return torch.zeros(mask.shape) + anchor, torch.zeros(mask.shape)
    batches = _grouped(ids_sl, real_sl, kept, at_once, idle_s)
    skipped = [rows for groups, trained in batches for _, rows in groups if skip_idle and not trained]
    for groups, with_gradient in batches:
        if skip_idle and not with_gradient:
            continue
        packed = pack(
            [
                PackedGroup(list(prompt), [ids_sl[row, -kept:][mask[row]].tolist() for row in rows])
                for prompt, rows in groups
            ]
        )
        with torch.set_grad_enabled(with_gradient and torch.is_grad_enabled()):
            log_p = (
                model.lm_head(hidden_states(model, packed)[packed.predictors_n]).float() / temperature
            ).log_softmax(-1)
        with torch.no_grad():
            entropy = -(log_p.exp() * log_p).sum(-1)
        chosen = log_p.gather(1, packed.targets_n[:, None])[:, 0]
        members = [row for _, rows in groups for row in rows]
        sizes = mask[members].sum(1).tolist()
        for row, logp, row_entropy in zip(members, chosen.split(sizes), entropy.split(sizes), strict=True):
            logps[row], entropies[row] = logp, row_entropy
    if skipped:
        mean = torch.cat(entropies).mean()
        for row in (row for rows in skipped for row in rows):
            length = int(mask[row].sum())
            logps[row], entropies[row] = torch.zeros(length), mean.expand(length)
    empty = torch.zeros(mask.shape, device=ids_sl.device)
    return empty.masked_scatter(mask, torch.cat(logps)), empty.masked_scatter(mask, torch.cat(entropies))


_Rows = list[tuple[tuple[int, ...], list[int]]]
"""Prompts and the numbers of the sequences that begin with each."""


def _grouped(
    ids_sl: Tensor, real_sl: Tensor, kept: int, at_once: int, idle_s: Tensor | None
) -> list[tuple[_Rows, bool]]:
    """Return batches of groups, and for each batch whether it needs a gradient; if none does, all get one, as in `_batches`."""
    idle = [False] * len(ids_sl) if idle_s is None or bool(idle_s.all()) else idle_s.tolist()
    by_prompt: dict[tuple[bool, tuple[int, ...]], list[int]] = {}
    for row, passed_over in enumerate(idle):
        prompt = tuple(ids_sl[row, :-kept][real_sl[row, :-kept]].tolist())
        by_prompt.setdefault((passed_over, prompt), []).append(row)
    batches: list[tuple[_Rows, bool]] = []
    for (passed_over, prompt), rows in by_prompt.items():
        last = batches[-1] if batches and batches[-1][1] is not passed_over else None
        if last and sum(len(members) for _, members in last[0]) + len(rows) <= at_once:
            last[0].append((prompt, rows))
        else:
            batches.append(([(prompt, rows)], not passed_over))
    return batches


def _batches(order: Tensor, idle_s: Tensor | None, at_once: int) -> list[tuple[Tensor, bool]]:
    """Return the sequences in batches of at most `at_once`, and for each batch whether it needs a gradient.

    If no sequence needs one, all batches get one: backward() fails on a loss without any gradient.
    """
    if idle_s is None or bool(idle_s.all()):
        return [(rows, True) for rows in order.split(at_once)]
    idle = idle_s[order]
    parts = ((order[~idle], True), (order[idle], False))
    return [(rows, with_gradient) for part, with_gradient in parts for rows in part.split(at_once) if len(rows)]
