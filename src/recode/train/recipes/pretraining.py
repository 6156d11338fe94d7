"""The recipe of pretraining."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recode.train.recipes.tables import Positive, Rate, Seed, Share, Table

LEAST_VOCABULARY = 273
"""Tokens that exist before any is learnt: the bytes, the special tokens, and the fixed phrases of the prompt."""


class ModelShape(Table):
    """The shape of a Llama that is trained from scratch."""

    hidden: Positive = 192
    layers: Positive = 4
    heads: Positive = 6
    head_size: Positive = 32
    kv_heads: Positive = 3
    intermediate: Positive = 512
    vocabulary: Annotated[int, Field(ge=LEAST_VOCABULARY)] = 2048

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide the {self.heads} heads")
        if self.head_size % 2:
            raise ValueError("head_size must be even: rotary positions rotate its numbers in pairs")
        return self


class PretrainData(Table):
    """What the embedded model is pretrained on. Shares are of all examples unless another whole is named."""

    no_op_share: Share = 0.12
    python_rename_share: Share = 0.2
    """Renamings in real functions of Python's standard library."""
    retold: tuple[str, ...] = ()
    """Files of real migrations that are retold about made-up libraries; never those of a test split."""
    retold_share: Share = 0.0
    python_text_share: Share = 0.08
    """Plain Python functions, with loss on every token."""
    habit_share: Share = 0.0
    """Share of migrations whose target is the old code unchanged."""
    right_thought_share: Share = 1.0
    """Share of the other migrations whose thought is trained as well. For the rest the thought is given and only the answer is trained. Below 1
    the model learns to think stale thoughts, and still to do what its thought says."""
    block: Positive = 1024
    """Examples in a block; a run resumes at the start of a block."""
    longest: Positive = 640
    """Tokens; longer examples are dropped."""
    short_first: Positive = 260
    """Tokens; the limit at the beginning of training."""
    short_share: Share = 0.08
    """Share of the steps that are the beginning."""


class PretrainOptimizer(Table):
    """Peak learning rates: Muon for matrices, AdamW for embeddings and norms."""

    muon: Rate = 0.02
    adamw: Rate = 2e-3


class PretrainRecipe(Table):
    """Pretraining from scratch, or from the model folder that `start` names."""

    method: Literal["pretrain"]
    start: str = ""
    seed: Seed = 1
    steps: Positive
    warmup: Positive = 50
    batch_tokens: Positive = 8192
    save_every: Positive = 2
    """Blocks between checkpoints."""
    model: ModelShape = ModelShape()
    data: PretrainData = PretrainData()
    optimizer: PretrainOptimizer = PretrainOptimizer()
