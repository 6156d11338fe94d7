"""The recipe of reinforcement learning: rollouts, loss, dynamic sampling and reward."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, FiniteFloat, field_validator, model_validator

from recode.train.recipes.tables import Adapter, Hardware, Optimization, Positive, Seed, Table, TrainingData, Validation


class Rollout(Table):
    """How a step's completions are sampled."""

    prompts_per_step: Positive = 8
    samples_per_prompt: Annotated[int, Field(ge=2)] = 8
    minibatches: Positive = 1
    """Optimiser steps on one batch of rollouts."""
    sequences_at_once: Positive | None = None
    """Sequences in one forward pass; None: a whole minibatch."""
    max_new_tokens: Positive = 1024
    temperature: Annotated[float, Field(gt=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    turns: Positive = 1
    """Answers of an episode. With 2, a program that fails on the new release is run in the sandbox, the policy reads what happened, and
    answers once more; `max_new_tokens` is for each answer."""
    max_feedback_tokens: Positive = 512
    """Tokens of what it reads between two answers; a longer text is cut."""

    @property
    def longest(self) -> int:
        """Return the most tokens that an episode may have after its prompt."""
        return self.turns * self.max_new_tokens + (self.turns - 1) * self.max_feedback_tokens


class PolicyLoss(Table):
    """The surrogate loss: clipping, aggregation, KL penalty and how advantages are scaled."""

    aggregation: Literal["grpo", "dapo", "dr_grpo", "bnpo"] = "grpo"
    """`grpo` averages per sequence, `dapo` per token; `dr_grpo` (arXiv 2503.20783) sums over tokens and divides by `max_new_tokens`."""
    clip_low: Annotated[float, Field(gt=0)] = 0.2
    clip_high: Annotated[float, Field(gt=0)] = 0.2
    dual_clip: Annotated[float, Field(gt=1)] | None = None
    """Upper bound on the loss ratio of tokens with negative advantage (dual-clip PPO's c, arXiv 1912.09729)."""
    importance: Literal["token", "sequence"] = "token"
    """Whether a ratio is of each token (GRPO, DAPO) or of the whole sequence, length-normalised (GSPO, arXiv 2507.18071)."""
    kl: Annotated[float, Field(ge=0)] = 0.0
    kl_correction: bool = True
    """Weight the KL term by the ratio, so that its gradient is that of the KL (arXiv 2512.02556). GRPO's paper does not."""
    scale_rewards: Literal["group", "batch", "none"] = "group"


class DynamicSampling(Table):
    """DAPO's filter (arXiv 2503.14476, section 3.2): groups without spread of rewards are dropped and others are sampled."""

    enabled: bool = False
    max_batches: Positive = 10
    """Generation batches that a step may take in all."""
    prompts_per_batch: Positive | None = None
    """Prompts of a generation batch, over all processes; None: as many as are still missing. With more prompts than a step trains on, fewer
    batches fill it, which is faster if a batch takes the same time at any size."""


class Overlong(Table):
    """DAPO's soft overlong punishment (arXiv 2503.14476, section 3.4); `buffer` 0 turns it off."""

    buffer: Annotated[int, Field(ge=0)] = 0
    """Tokens before `max_new_tokens` over which the punishment grows from 0 to -1."""
    mask_truncated: bool = False


class RewardTerms(Table):
    """The reward: a family of scores, and the weights of its terms."""

    family: Literal["strict", "paper"] = "strict"
    weights: Annotated[
        dict[Literal["format", "exact", "edit", "lift", "progress", "execution"], FiniteFloat], Field(min_length=1)
    ] = Field(default={"format": 1.0, "edit": 1.0})


class Vllm(Table):
    """Sampling by vLLM instead of the training process's own generation."""

    mode: Literal["colocate", "server"] = "colocate"
    """`colocate`: on the training GPUs; `server`: by `vllm serve` on others."""
    server: str = "http://localhost:8000"
    timeout: Annotated[float, Field(gt=0)] = 240.0
    """Seconds to wait for the server to be up."""
    memory_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of a GPU's memory for colocated vLLM: its weights and key-value cache."""
    tensor_parallel: Positive = 1
    """GPUs that share one copy of the sampling model."""

    @field_validator("server")
    @classmethod
    def _address(cls, server: str) -> str:
        try:
            parts = urlsplit(server)
            whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            whole = False
        if not whole:
            raise ValueError(f"`{server}` is not an address like http://localhost:8000")
        return server

    @property
    def port(self) -> int:
        """Return the port of `server`, or that of its scheme if the address has none."""
        parts = urlsplit(self.server)
        return parts.port or {"http": 80, "https": 443}[parts.scheme]


class PolicyRecipe(Table):
    """Reinforcement learning with rule-based rewards: GRPO, or DAPO with all its parts."""

    method: Literal["grpo", "dapo"]
    model: str
    seed: Seed = 42
    data: TrainingData = TrainingData()
    adapter: Adapter | None = None
    """None: every weight is trained."""
    optimization: Optimization
    hardware: Hardware = Hardware()
    validation: Validation | None = None
    rollout: Rollout = Rollout()
    vllm: Vllm | None = None
    """None: the training process samples itself."""
    loss: PolicyLoss = PolicyLoss()
    dynamic_sampling: DynamicSampling = DynamicSampling()
    overlong: Overlong = Overlong()
    reward: RewardTerms = RewardTerms()

    @property
    def batches(self) -> int:
        """Return how many batches of rollouts the steps need; the last may be used in part."""
        return -(-self.optimization.steps // self.rollout.minibatches)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sequences = self.rollout.prompts_per_step * self.rollout.samples_per_prompt
        if sequences % self.rollout.minibatches:
            raise ValueError(f"rollout.minibatches must divide the {sequences} sequences of a step")
        at_once = self.rollout.sequences_at_once
        if at_once and (sequences // self.rollout.minibatches) % at_once:
            raise ValueError(
                f"rollout.sequences_at_once must divide the {sequences // self.rollout.minibatches} of a minibatch"
            )
        share = sequences // self.rollout.minibatches
        if share % (self.hardware.processes * (at_once or 1)):
            raise ValueError(
                f"the {share} sequences of a minibatch cannot be divided among {self.hardware.processes} GPUs"
                + (f", {at_once} at once" if at_once else "")
                + "; change hardware, rollout.minibatches or rollout.sequences_at_once"
            )
        if self.dynamic_sampling.enabled and self.rollout.prompts_per_step % self.hardware.processes:
            raise ValueError(
                f"with dynamic_sampling a GPU takes whole groups: the {self.hardware.processes} GPUs must divide prompts_per_step"
            )
        if self.optimization.save_every % self.rollout.minibatches:
            raise ValueError("optimization.save_every must be a multiple of rollout.minibatches")
        if self.rollout.turns > 1 and (self.hardware.processes > 1 or self.vllm or self.overlong.buffer):
            raise ValueError(
                "rollout.turns above 1 takes one process, no [vllm] table and no overlong.buffer; leave those out"
            )
        if self.method == "dapo" and not self.dynamic_sampling.enabled:
            raise ValueError(
                'dynamic_sampling.enabled must be true: without it the method is not DAPO (use method = "grpo")'
            )
        return self
