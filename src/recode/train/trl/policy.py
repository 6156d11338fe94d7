"""GRPO and DAPO on TRL's trainer, with the one part of DAPO that TRL lacks: dynamic sampling.

TRL computes advantages, losses and updates. This subclass decides which rollouts a step trains on: it samples with the small
CPU decoder where that fits, and, for DAPO, drops groups without spread of rewards and resamples in their place.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from trl import GRPOTrainer

from recode.models import Sampling, sample_ids
from recode.models.llama import supports
from recode.prompts import parse_response
from recode.source import clean
from recode.train.recipes import PolicyRecipe
from recode.train.trl.adapters import layers_of, with_plain_weights

_FLAT = 1e-6
"""Rewards of a group that differ by less have no spread: their advantages would be rounding errors."""


class PolicyTrainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer for rewards by rule, with dynamic sampling.

    `fresh(step, round, count)` names the rows that take the place of dropped groups; it depends on its arguments alone, so a
    resumed run draws the same rows.
    """

    def __init__(
        self, *args: Any, recipe: PolicyRecipe, fresh: Callable[[int, int, int], list[dict[str, Any]]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._recipe = recipe
        self._fresh = fresh
        self._round = 0
        self._ready: tuple[Any, ...] | None = None
        self._idle_s: Tensor | None = None
        self.rollout_func: Callable[..., dict[str, Any]] | None

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Fill the batch with rollouts, then let TRL score it and work out advantages."""
        self._round = 0
        if self.model.training and self._recipe.dynamic_sampling.enabled:
            inputs, self._ready = self._fill(inputs)
        try:
            return super()._generate_and_score_completions(inputs)
        finally:
            self._ready = None

    def _generate(self, prompts: list[str]) -> tuple[Any, ...]:
        """Return rollouts: those that are ready, those of the small decoder, or those of TRL's own backends."""
        if self._ready is not None:
            return self._ready
        if not self._decodes_here():
            return super()._generate(prompts)
        self.rollout_func = self._rollout
        try:
            return super()._generate(prompts)
        finally:
            self.rollout_func = None

    def _decodes_here(self) -> bool:
        """Say whether the small decoder samples: it knows the model's layers, and one token ends a completion."""
        layers = layers_of(self.accelerator.unwrap_model(self.model))
        return supports(layers) and self.eos_token_ids == [self.processing_class.eos_token_id]

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """Return prompts' token ids: the rendered text holds every special token already, and a second BOS would be another prompt."""
        return self.processing_class(prompts, add_special_tokens=False)["input_ids"], None, {}

    def _rollout(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        """Sample one group for every run of equal prompts."""
        group = self.num_generations
        tokenizer, settings = self.processing_class, self._recipe.rollout
        ids = tokenizer(list(prompts[::group]), add_special_tokens=False)["input_ids"]
        seed = self._recipe.seed * 1_000_000 + self.state.global_step * 64 + self._round
        seed += self.accelerator.process_index * 10**11
        sampling = Sampling(settings.max_new_tokens, settings.temperature, settings.top_p, seed)
        policy = with_plain_weights(self.accelerator.unwrap_model(self.model))
        drawn = sample_ids(policy, tokenizer, ids, group, sampling)
        return {
            "prompt_ids": [prompt for prompt in ids for _ in range(group)],
            "completion_ids": [completion for completions in drawn for completion in completions],
            "logprobs": None,
        }

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """Return TRL's loss; sequences whose advantage is zero have no gradient, so none is computed for them."""
        self._idle_s = (
            inputs["advantages"].abs() < _FLAT if self.beta == 0 and inputs["advantages"].dim() == 1 else None
        )
        try:
            loss: Tensor = super()._compute_loss(model, inputs)
        finally:
            self._idle_s = None
        return loss

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: int,
        batch_size: int | None = None, compute_entropy: bool = False, **others: Any,
    ) -> tuple[Tensor, Tensor | None, Any]:  # fmt: skip
        """Return log-probabilities and entropies of completion tokens, both (sequences, `logits_to_keep`).

        TRL pads prompts on the left and completions on the right, which on a CPU costs as much as the tokens. Where the small decoder fits,
        sequences are moved to the left edge, batched with others of like length, and only tokens that count meet the vocabulary.
        """
        policy = layers_of(self.accelerator.unwrap_model(model))
        # Past the wrapper's own forward pass, several processes would never average their gradients.
        if not supports(policy) or self.accelerator.num_processes > 1:
            rest: tuple[Tensor, Tensor | None, Any] = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **others
            )
            return rest
        with self.accelerator.autocast():
            logps, entropies = completion_logps(
                policy,
                input_ids,
                attention_mask.bool(),
                logits_to_keep,
                self.temperature,
                self._recipe.rollout.samples_per_prompt,
                self._idle_s,
            )
        return logps, entropies if compute_entropy else None, None

    def _fill(self, inputs: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[Any, ...]]:
        """Generate until every group has spread of rewards or the bound is hit (DAPO, arXiv 2503.14476, section 3.2).

        Returns the rows, one per sequence, and their rollouts. Where the bound is hit, dropped groups fill the batch: their advantages
        are zero. Every group that was generated is counted in the log: trained on, dropped, or kept by a process that was full already.

        Several processes fill their own shares in step, since generation and rewards wait for all of them: each generates as many
        groups as the one that lacks most.
        """
        group = self.num_generations
        wanted = len(inputs) // group
        at_once = (self._recipe.dynamic_sampling.prompts_per_batch or 0) // self.accelerator.num_processes
        inputs = inputs + self._more(0, max(0, at_once - wanted))
        kept: list[tuple[list[dict[str, Any]], tuple[Any, ...]]] = []
        flat: list[tuple[list[dict[str, Any]], tuple[Any, ...]]] = []
        for number in range(self._recipe.dynamic_sampling.max_batches):
            self._round = number
            if number:
                inputs = self._more(number, max(at_once, self._most(wanted - len(kept))))
            rollouts = self._generate([row["prompt"] for row in inputs])
            rewards = self._rewards(inputs, rollouts).view(-1, group)
            for place, spread in enumerate(_spreads(rewards).tolist()):
                part = slice(place * group, (place + 1) * group)
                (kept if spread > _FLAT else flat).append((inputs[part], _part(rollouts, part)))
            if self._most(wanted - len(kept)) <= 0:
                break
        self._count("groups_generated", len(kept) + len(flat))
        self._count("groups_dropped", len(flat))
        self._count("groups_without_spread", max(0, wanted - len(kept)))
        self._count("groups_surplus", max(0, len(kept) - wanted))
        chosen = (kept + flat)[:wanted]
        return [row for rows, _ in chosen for row in rows], _joined([rollouts for _, rollouts in chosen])

    def _more(self, number: int, count: int) -> list[dict[str, Any]]:
        """Return this process's rows, one per sequence, of a round that generates `count` groups in each process."""
        place = self.accelerator.process_index
        rows = self._fresh(self.state.global_step, number, count * self.accelerator.num_processes)
        return [row for row in rows[place * count : (place + 1) * count] for _ in range(self.num_generations)]

    def _most(self, count: int) -> int:
        """Return the largest of the processes' numbers."""
        return int(self.accelerator.gather(torch.tensor([count], device=self.accelerator.device)).max())

    def _count(self, name: str, count: int) -> None:
        """Log the sum of the processes' numbers."""
        total = self.accelerator.gather(torch.tensor([count], device=self.accelerator.device)).sum()
        self._metrics["train"][f"dynamic_sampling/{name}"].append(float(total))

    def _rewards(self, inputs: list[dict[str, Any]], rollouts: tuple[Any, ...]) -> Tensor:
        """Return the weighted sum of this process's rewards (sequences,); NaN where a completion cannot be graded."""
        prompts = [row["prompt"] for row in inputs]
        start = self.accelerator.process_index * len(inputs)
        terms = self._calculate_rewards(inputs, prompts, rollouts[3], rollouts[1])[start : start + len(inputs)]
        summed = (terms * self.reward_weights.to(terms.device)).nansum(dim=1)
        return summed.masked_fill(terms.isnan().all(dim=1), torch.nan)

    def _share(self, name: str, total: float, count: int) -> None:
        """Log a mean over all processes; 0 where there is nothing to take it of."""
        both = torch.tensor([[float(total), float(count)]], device=self.accelerator.device)
        total, count = self.accelerator.gather(both).sum(0).tolist()
        self._metrics["train"][name].append(total / max(1.0, count))

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids: Any) -> Tensor:
        """Score completions; log exact matches and copies of the old code beside the rewards."""
        if self.model.training and (self._ready is not None or not self._recipe.dynamic_sampling.enabled):
            answers = [parse_response(text).code for text in completions]
            cleaned = [None if answer is None else clean(answer) for answer in answers]
            exact = [a == clean(row["target"]) for a, row in zip(cleaned, inputs, strict=True)]
            changes = [row for row in inputs if row["old_code"] != row["target"]]
            copies = [
                a == clean(row["old_code"])
                for a, row in zip(cleaned, inputs, strict=True)
                if row["old_code"] != row["target"]
            ]
            self._share("exact", sum(exact), len(exact))
            self._share("copy", sum(copies), len(changes))
            self._share("reward_of_copying", sum(row["copy"] for row in inputs), len(inputs))
        terms: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids)
        if self.model.training:
            terms = _gradable(terms, self.num_generations)
            self._share("ungradable", float(terms.isnan().all(dim=1).sum()), len(terms))
        return terms


def _gradable(terms: Tensor, group: int) -> Tensor:
    """Return rewards by term (sequences, terms) in which a completion that lacks a term has none at all: it is left out.

    A term that the whole group lacks, such as execution of what cannot be run, says nothing about any of them and leaves the sum. Where
    only some lack it, a sum without it would be a reward of zero for what nobody could grade.
    """
    absent = terms.isnan().view(-1, group, terms.shape[1])
    some = (absent & ~absent.all(dim=1, keepdim=True)).any(dim=2).view(-1)
    return terms.masked_fill(some[:, None], torch.nan)


def _spreads(rewards: Tensor) -> Tensor:
    """Return the difference between the largest and the smallest reward of each group (groups, samples), of those that are graded."""
    absent = rewards.isnan()
    most = rewards.masked_fill(absent, -torch.inf).max(1).values
    least = rewards.masked_fill(absent, torch.inf).min(1).values
    return (most - least).clamp(min=0.0).nan_to_num(nan=0.0, posinf=0.0)


def completion_logps(
    model: Any,
    ids_sl: Tensor,
    real_sl: Tensor,
    kept: int,
    temperature: float,
    at_once: int,
    idle_s: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of the last `kept` tokens of each sequence and the entropies before them, 0 at padding.

    Args:
        model: a causal model with `model` and `lm_head`.
        ids_sl: token ids (sequences, length), padded on both sides.
        real_sl: true where a token is no padding; one run of trues in each row.
        kept: how many places at the end belong to completions, padding included.
        temperature: the logits are divided by it.
        at_once: sequences in one forward pass.
        idle_s: true for sequences (sequences,) of which no gradient is wanted; none: of all it is.
    """
    lengths, starts = real_sl.sum(1), real_sl.int().argmax(1)
    counted = real_sl[:, -kept:].sum(1)
    order = lengths.argsort(stable=True)
    logps: list[Tensor] = [torch.empty(0)] * len(lengths)
    entropies = list(logps)
    for rows, has_gradient in _batches(order, idle_s, at_once):
        place = torch.arange(int(lengths[rows].max()), device=ids_sl.device)
        ids = ids_sl[rows].gather(1, (starts[rows, None] + place).clamp(max=ids_sl.shape[1] - 1))
        # Place p predicts token p + 1.
        wanted = (place >= (lengths - counted - 1)[rows, None]) & (place < (lengths - 1)[rows, None])
        with torch.set_grad_enabled(has_gradient and torch.is_grad_enabled()):
            hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[wanted]
            spread = (model.lm_head(hidden).float() / temperature).log_softmax(-1)
        with torch.no_grad():
            entropy = -(spread.exp() * spread).sum(-1)
        chosen = spread.gather(1, ids[:, 1:][wanted[:, :-1]][:, None])[:, 0]
        sizes = counted[rows].tolist()
        for row, logp, one in zip(rows.tolist(), chosen.split(sizes), entropy.split(sizes), strict=True):
            logps[row], entropies[row] = logp, one
    empty = torch.zeros(real_sl[:, -kept:].shape, device=ids_sl.device)
    mask = real_sl[:, -kept:]
    return empty.masked_scatter(mask, torch.cat(logps)), empty.masked_scatter(mask, torch.cat(entropies))


def _batches(order: Tensor, idle_s: Tensor | None, at_once: int) -> list[tuple[Tensor, bool]]:
    """Return the sequences in batches of at most `at_once`, each batch with whether a gradient is wanted of it.

    Where none is wanted of any, one is taken of all: a loss without any cannot be gone back from.
    """
    if idle_s is None or bool(idle_s.all()):
        return [(rows, True) for rows in order.split(at_once)]
    idle = idle_s[order]
    parts = ((order[~idle], True), (order[idle], False))
    return [(rows, has_gradient) for part, has_gradient in parts for rows in part.split(at_once) if len(rows)]


def fresh_rows(rows: list[dict[str, Any]], seed: int) -> Callable[[int, int, int], list[dict[str, Any]]]:
    """Return the source of rows for dropped groups: drawn by seed, step and round alone."""

    def draw(step: int, number: int, count: int) -> list[dict[str, Any]]:
        rng = random.Random(f"refill-{seed}-{step}-{number}")
        return rng.sample(rows, count) if count <= len(rows) else rng.choices(rows, k=count)

    return draw


def _part(rollouts: tuple[Any, ...], part: slice) -> tuple[Any, ...]:
    """Return one group's part of what TRL's `_generate` returns: lists by sequence, None, or extra columns."""
    return tuple(
        {key: value[part] for key, value in field.items()}
        if isinstance(field, dict)
        else field[part]
        if field
        else field
        for field in rollouts
    )


def _joined(parts: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the groups' parts as one."""
    joined: list[Any] = []
    for fields in zip(*parts, strict=True):
        if isinstance(fields[0], dict):
            joined.append({key: [item for field in fields for item in field[key]] for key in fields[0]})
        else:
            joined.append([item for field in fields for item in field] if fields[0] else fields[0])
    return tuple(joined)
