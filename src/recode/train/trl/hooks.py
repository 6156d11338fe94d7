"""Everything private to TRL that we rely on. A new release of TRL means changing this file and the bound in `pyproject.toml`.

TRL's `GRPOTrainer` computes advantages, losses and updates. It has no public way to sample with another decoder or to correct rewards, so
`HookedTrainer` overrides some of its private methods and turns them into a few named hooks. `recode.train.trl.policy` fills in the hooks.
Which groups a step trains on is decided in `recode.train.trl.dynamic_sampling`, the other module that overrides private methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from recode.train.dynamic_sampling import FLAT
from recode.train.trl.version import check_trl

check_trl()

from trl import GRPOTrainer  # noqa: E402 (its version is checked first)
from trl.trainer import grpo_trainer  # noqa: E402


class HookedTrainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer with hooks in place of private methods.

    A subclass overrides `own_rollouts`, `own_logps` and `scored`. Shapes: N sequences, C completion tokens (padded),
    T reward terms.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rollout_func: Any
        self.keeps_groups = False
        """Whether a batch is cut into forward passes in its own order, which keeps the samples of a prompt together, or shuffled first."""
        self.rows: list[dict[str, Any]] = []
        """The rows that are sampled for, N of them."""
        self.idle: Tensor | None = None
        """While the loss is computed: true for sequences that need no gradient (N,)."""
        self.is_first_update = False
        """Whether the loss is that of the first update on its rollouts, in which TRL compares the policy with itself."""

    # --- hooks ---

    def own_rollouts(self, prompts: Sequence[str]) -> dict[str, Any] | None:
        """Return the rollouts of the prompts as a `rollout_func` does, N of each column; None to sample with TRL's own backends."""
        return None

    def own_logps(self, model: Any, ids: Tensor, mask: Tensor, kept: int) -> tuple[Tensor, Tensor] | None:
        """Return log-probabilities and entropies, both (N, C), of the last `kept` tokens of `ids` (N, length); None to let TRL compute them."""
        return None

    def scored(self, rows: list[dict[str, Any]], completions: list[str], terms: Tensor) -> Tensor:
        """Return the reward terms of all processes' completions (N, T) after they were computed; a place to log and to correct them."""
        return terms

    # --- what a subclass may call ---

    def log_metric(self, name: str, value: float) -> None:
        """Log a number of the training step at hand; several are averaged."""
        self._metrics["train"][name].append(value)

    def limit_completions(self, tokens: int) -> None:
        """Set the most tokens of a completion that `sample_with_trl` returns, where it is not that of a whole sequence."""
        self.generation_config.max_new_tokens = tokens

    def sample_with_trl(self, prompt_ids: list[list[int]], group: int) -> list[list[int]]:
        """Return a completion for each prompt by TRL's own backend; equal prompts stand together, `group` of them each."""
        ids: list[list[int]] = self._generate_single_turn(prompt_ids, None, {}, group)[0]
        return ids

    # --- TRL's private methods ---

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.rows = inputs
        scored: dict[str, Any] = super()._generate_and_score_completions(inputs)
        return scored

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """Return a forward pass's part of the batch. TRL shuffles the batch before it cuts it, with a function of its module."""
        if not self.keeps_groups:
            return super()._prepare_inputs(generation_batch)
        shuffle = grpo_trainer.shuffle_sequence_dict
        grpo_trainer.shuffle_sequence_dict = lambda batch: batch
        try:
            return super()._prepare_inputs(generation_batch)
        finally:
            grpo_trainer.shuffle_sequence_dict = shuffle

    def _generate(self, prompts: list[str]) -> tuple[Any, ...]:
        """Sample one completion for each prompt, with the subclass's own sampler if it has one."""
        sampled = self.own_rollouts(prompts)
        if sampled is None:
            return super()._generate(prompts)
        self.rollout_func = lambda prompts, trainer: sampled
        try:
            return super()._generate(prompts)
        finally:
            self.rollout_func = None

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """Return the prompts' token ids.

        A rendered prompt already holds every special token, and a second BOS would make it another prompt.
        """
        return self.processing_class(prompts, add_special_tokens=False)["input_ids"], None, {}

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids: Any) -> Tensor:
        terms: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids)
        return self.scored(inputs, completions, terms) if self.model.training else terms

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """Return TRL's loss. A sequence whose advantage is zero has no gradient without a KL term, so none is computed for it."""
        advantages = inputs["advantages"]
        self.idle = advantages.abs() < FLAT if self.beta == 0 and advantages.dim() == 1 else None
        self.is_first_update = inputs.get("old_per_token_logps") is None
        try:
            loss: Tensor = super()._compute_loss(model, inputs)
        finally:
            self.idle = None
        return loss

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: int,
        batch_size: int | None = None, compute_entropy: bool = False, **others: Any,
    ) -> tuple[Tensor, Tensor | None, Any]:  # fmt: skip
        own = self.own_logps(model, input_ids, attention_mask.bool(), logits_to_keep)
        if own is None:
            rest: tuple[Tensor, Tensor | None, Any] = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **others
            )
            return rest
        logps, entropies = own
        return logps, entropies if compute_entropy else None, None
