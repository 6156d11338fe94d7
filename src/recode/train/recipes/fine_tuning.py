"""The recipe of supervised fine-tuning."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from recode.train.recipes.tables import Adapter, Hardware, Optimization, Positive, Seed, Table, TrainingData, Validation


class SftOptimization(Optimization):
    """The optimiser of supervised fine-tuning."""

    examples_per_step: Positive = 16
    examples_at_once: Positive = 16
    """Examples in one forward pass; the rest of a step is accumulated."""

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.examples_per_step % self.examples_at_once:
            raise ValueError(f"examples_at_once must divide the {self.examples_per_step} examples of a step")
        return self


class SftRecipe(Table):
    """Supervised fine-tuning on the gold programs."""

    method: Literal["sft"]
    model: str
    seed: Seed = 42
    data: TrainingData = TrainingData()
    adapter: Adapter | None = None
    """None: every weight is trained."""
    optimization: SftOptimization
    hardware: Hardware = Hardware()
    validation: Validation | None = None

    @model_validator(mode="after")
    def _dealt(self) -> Self:
        settings = self.optimization
        if settings.examples_per_step % (settings.examples_at_once * self.hardware.processes):
            raise ValueError(
                f"the {settings.examples_per_step} examples of a step cannot be divided among {self.hardware.processes} GPUs, "
                f"{settings.examples_at_once} at once; change hardware, examples_per_step or examples_at_once"
            )
        return self
