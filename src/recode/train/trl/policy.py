"""GRPO and DAPO on TRL's trainer, with the one part of DAPO that TRL lacks: dynamic sampling.

TRL computes advantages, losses and updates. This trainer decides which rollouts a step trains on. It samples with the small CPU decoder if
that fits the model, and for DAPO it drops groups without spread of rewards and samples others in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recode.models import Sampling, sample_ids
from recode.models.llama import supports
from recode.prompts import parse_response
from recode.rewards import same_program
from recode.train.dynamic_sampling import gradable_terms
from recode.train.recipes import PolicyRecipe
from recode.train.trl.dynamic_sampling import Drawn, WithDynamicSampling
from recode.train.trl.hooks import HookedTrainer
from recode.train.trl.logprobs import completion_logps, packed_logps
from recode.train.trl.lora import layers_of, with_plain_weights
from recode.train.trl.turns import LAST, Feedback, play


class PolicyTrainer(WithDynamicSampling, HookedTrainer):
    """TRL's trainer for rewards by rule, with dynamic sampling if the recipe asks for it."""

    def __init__(self, *args: Any, recipe: PolicyRecipe, **kwargs: Any) -> None:
        settings = recipe.dynamic_sampling
        self.recipe = recipe
        self.samples_dynamically = settings.enabled
        self.max_rounds, self.prompts_per_round = settings.max_batches, settings.prompts_per_batch or 0
        super().__init__(*args, **kwargs)
        self.keeps_groups = recipe.optimization.packed
        self.feedback = Feedback() if recipe.rollout.turns > 1 else None
        if self.feedback is not None:
            self.limit_completions(recipe.rollout.max_new_tokens)
        self.environment_seconds = 0.0
        """Time that the environment of episodes has taken since it was last logged."""

    def fill(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Drawn]:
        """Return what the step trains on, and log its exact matches and copies of the old code."""
        chosen, drawn = super().fill(rows)
        self._log_answers(chosen, drawn.completions)
        return chosen, drawn

    def own_rollouts(self, prompts: Sequence[str]) -> dict[str, Any] | None:
        """Sample with the small decoder, or play episodes of several answers. None if neither is needed or fits.

        The decoder fits if it knows the model's layers and a single token ends a completion.
        """
        if self.feedback is None and not self._has_own_decoder():
            return None
        group, settings = self.num_generations, self.recipe.rollout
        every = self.processing_class(list(prompts[::group]), add_special_tokens=False)["input_ids"]
        ids = [prompt for prompt in every for _ in range(group)]
        if self.feedback is None:
            return {"prompt_ids": ids, "completion_ids": self._sample(ids, group), "logprobs": None}
        spent = self.feedback.seconds
        episodes = play(
            self.rows, ids, group, settings.turns, tokenizer=self.processing_class, sample=self._sample, feedback=self.feedback,
            longest=settings.max_feedback_tokens,
        )  # fmt: skip
        self.environment_seconds += self.feedback.seconds - spent
        self.log_metric("episodes/answers", sum(episodes.answers) / max(1, len(episodes.answers)))
        return episodes.as_rollout()

    def _has_own_decoder(self) -> bool:
        layers = layers_of(self.accelerator.unwrap_model(self.model))
        return supports(layers) and self.eos_token_ids == [self.processing_class.eos_token_id]

    def _sample(self, prompt_ids: list[list[int]], group: int, turn: int = 0) -> list[list[int]]:
        """Return a completion for each prompt; equal prompts stand together, `group` of them each."""
        if not self._has_own_decoder():
            return self.sample_with_trl(prompt_ids, group)
        settings = self.recipe.rollout
        seed = self.recipe.seed * 1_000_000 + self.state.global_step * 64 + self.round
        seed += self.accelerator.process_index * 10**11 + turn * 10**12
        sampling = Sampling(settings.max_new_tokens, settings.temperature, settings.top_p, seed)
        policy = with_plain_weights(self.accelerator.unwrap_model(self.model))
        drawn = sample_ids(policy, self.processing_class, prompt_ids[::group], group, sampling)
        return [completion for completions in drawn for completion in completions]

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
        with self.accelerator.autocast():
            if self.keeps_groups:
                skip = self.is_first_update
                return packed_logps(policy, ids, mask, kept, self.temperature, at_once, self.idle, skip_idle=skip)
            return completion_logps(policy, ids, mask, kept, self.temperature, at_once, self.idle)

    def scored(self, rows: list[dict[str, Any]], completions: list[str], terms: Tensor) -> Tensor:
        """Leave out completions that cannot be graded; log exact matches and copies, unless that waits until the groups are chosen."""
        if not self.samples_dynamically:
            self._log_answers(rows, completions)
        terms = gradable_terms(terms, self.num_generations)
        self._log_share("ungradable", float(terms.isnan().all(dim=1).sum()), len(terms))
        return terms

    def _log_answers(self, rows: list[dict[str, Any]], completions: list[str]) -> None:
        if self.feedback is not None:
            self.log_metric("episodes/environment_seconds", self.environment_seconds)
            self.log_metric("episodes/failed_runs", float(self.feedback.failed))
            self.environment_seconds = 0.0
        answers = [parse_response(row.get(LAST, text)).code for row, text in zip(rows, completions, strict=True)]
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
