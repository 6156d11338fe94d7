"""GRPO and DAPO on TRL's trainer, with the one part of DAPO that TRL lacks: dynamic sampling.

TRL computes advantages, losses and updates. This trainer decides which rollouts a step trains on. It samples with the small CPU decoder if
that fits the model, and for DAPO it drops groups without spread of rewards and samples others in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from recode.models import Sampling, sample_ids
from recode.models.llama import supports
from recode.prompts import parse_response
from recode.rewards import same_program
from recode.train.dynamic_sampling import fill_batch, gradable_terms, weighted_sum
from recode.train.recipes import PolicyRecipe
from recode.train.trl.hooks import HookedTrainer, Rollouts
from recode.train.trl.logprobs import completion_logps, packed_logps
from recode.train.trl.lora import layers_of, with_plain_weights


class PolicyTrainer(HookedTrainer):
    """TRL's trainer for rewards by rule, with dynamic sampling.

    `fresh(step, round, count)` returns the rows that replace dropped groups. It depends on its arguments alone, so a resumed run draws the
    same rows.
    """

    def __init__(
        self, *args: Any, recipe: PolicyRecipe, fresh: Callable[[int, int, int], list[dict[str, Any]]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.recipe = recipe
        self.fresh = fresh
        self.keeps_groups = recipe.optimization.packed
        self.round = 0
        """The number of the batch that is sampled for the step at hand, from 0; it is part of the seed."""

    def choose_rollouts(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Rollouts] | None:
        """Fill the batch by dynamic sampling, if the recipe asks for it."""
        self.round = 0
        return self.fill(rows) if self.model.training and self.recipe.dynamic_sampling.enabled else None

    def fill(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Rollouts]:
        """Return the rows that the step trains on, one for each sequence, and their rollouts.

        Every generated group is counted in the log: trained on, dropped, or left over in a process that was already full.
        """
        settings, processes = self.recipe.dynamic_sampling, self.accelerator.num_processes
        filler = fill_batch(
            rows,
            self.num_generations,
            rounds=settings.max_batches,
            at_least=(settings.prompts_per_batch or 0) // processes,
            draw=self._fresh_rows,
            sample=self._sample_and_score,
            largest=self._largest,
        )
        for name, count in filler.counts().items():
            self.log_metric(f"dynamic_sampling/{name}", float(self._gathered(count).sum()))
        groups = filler.batch()
        return [row for group in groups for row in group.rows], Rollouts.join([group.sampled for group in groups])

    def _fresh_rows(self, number: int, count: int) -> list[dict[str, Any]]:
        """Return this process's rows, one for each sequence, of a round in which every process generates `count` groups."""
        place = self.accelerator.process_index
        rows = self.fresh(self.state.global_step, number, count * self.accelerator.num_processes)
        return [row for row in rows[place * count : (place + 1) * count] for _ in range(self.num_generations)]

    def _sample_and_score(self, number: int, rows: list[dict[str, Any]]) -> tuple[Rollouts, Tensor]:
        """Return the rollouts of a round's rows, and their rewards (sequences,)."""
        self.round = number
        rollouts = self.generate([row["prompt"] for row in rows])
        return rollouts, weighted_sum(self.term_rewards(rows, rollouts), self.reward_weights)

    def _largest(self, count: int) -> int:
        return int(self._gathered(count).max())

    def _gathered(self, count: int) -> Tensor:
        """Return every process's number."""
        gathered: Tensor = self.accelerator.gather(torch.tensor([count], device=self.accelerator.device))
        return gathered

    def own_completions(self, prompts: Sequence[str]) -> tuple[list[list[int]], list[list[int]]] | None:
        """Sample with the small decoder: one group for every run of equal prompts. None if the decoder does not fit the model.

        It fits if it knows the model's layers and a single token ends a completion.
        """
        layers = layers_of(self.accelerator.unwrap_model(self.model))
        if not supports(layers) or self.eos_token_ids != [self.processing_class.eos_token_id]:
            return None
        group, settings = self.num_generations, self.recipe.rollout
        ids = self.processing_class(list(prompts[::group]), add_special_tokens=False)["input_ids"]
        seed = self.recipe.seed * 1_000_000 + self.state.global_step * 64 + self.round
        seed += self.accelerator.process_index * 10**11
        sampling = Sampling(settings.max_new_tokens, settings.temperature, settings.top_p, seed)
        policy = with_plain_weights(self.accelerator.unwrap_model(self.model))
        drawn = sample_ids(policy, self.processing_class, ids, group, sampling)
        prompt_ids = [prompt for prompt in ids for _ in range(group)]
        return prompt_ids, [completion for completions in drawn for completion in completions]

    def own_logps(self, model: Any, ids: Tensor, mask: Tensor, kept: int) -> tuple[Tensor, Tensor] | None:
        """Compute log-probabilities and entropies without padding, if the small decoder fits the model and one process trains.

        TRL pads prompts on the left and completions on the right, and on a CPU padding costs as much as the tokens. Here sequences are moved
        to the left edge and batched with others of similar length, and only tokens that count meet the vocabulary.
        """
        policy = layers_of(self.accelerator.unwrap_model(model))
        # This bypasses the forward pass of the wrapper, without which several processes would never average their gradients.
        if not supports(policy) or self.accelerator.num_processes > 1:
            return None
        at_once = self.recipe.rollout.samples_per_prompt
        compute = packed_logps if self.keeps_groups else completion_logps
        with self.accelerator.autocast():
            return compute(policy, ids, mask, kept, self.temperature, at_once, self.idle)

    def scored(self, rows: list[dict[str, Any]], completions: list[str], terms: Tensor) -> Tensor:
        """Log exact matches and copies of the old code together with the rewards; leave out completions that cannot be graded."""
        if self.rollouts is not None or not self.recipe.dynamic_sampling.enabled:
            self._log_answers(rows, completions)
        terms = gradable_terms(terms, self.num_generations)
        self._log_share("ungradable", float(terms.isnan().all(dim=1).sum()), len(terms))
        return terms

    def _log_answers(self, rows: list[dict[str, Any]], completions: list[str]) -> None:
        answers = [parse_response(text).code for text in completions]
        pairs = list(zip(answers, rows, strict=True))
        exact = [answer is not None and same_program(answer, row["target"]) for answer, row in pairs]
        copies = [
            answer is not None and same_program(answer, row["old_code"])
            for answer, row in pairs
            if not same_program(row["old_code"], row["target"])
        ]
        self._log_share("exact", sum(exact), len(exact))
        self._log_share("copy", sum(copies), len(copies))
        self._log_share("reward_of_copying", sum(row["copy"] for row in rows), len(rows))

    def _log_share(self, name: str, total: float, count: int) -> None:
        """Log a mean over all processes; 0 if there is nothing to average."""
        both = torch.tensor([[float(total), float(count)]], device=self.accelerator.device)
        total, count = self.accelerator.gather(both).sum(0).tolist()
        self.log_metric(name, total / max(1.0, count))
