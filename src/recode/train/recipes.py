"""Recipes: TOML files that say what to train, on what, and how. One validated model per method; a typo names the nearest key."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from recode.errors import RecipeError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Rate = Annotated[FiniteFloat, Field(gt=0)]
LEAST_VOCABULARY = 273
"""Tokens that are there before any is learnt: the bytes, the special ones, and the fixed phrases of the prompt."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelShape(_Table):
    """The shape of a Llama trained from scratch."""

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
            raise ValueError("head_size must be even: positions turn its numbers in pairs")
        return self


class PretrainData(_Table):
    """What the embedded model is pretrained on; shares are of all examples."""

    no_op_share: Share = 0.12
    python_rename_share: Share = 0.2
    """Renamings set in real functions of Python's standard library."""
    retold: tuple[str, ...] = ()
    """Files of real migrations that are retold about made-up libraries; never of a test split."""
    retold_share: Share = 0.0
    python_text_share: Share = 0.08
    """Plain Python functions, with loss on every token."""
    habit_share: Share = 0.0
    """Share of migrations whose target is the old code unchanged."""
    right_thought_share: Share = 1.0
    """Share of the other migrations whose thought is trained too; of the rest the answer alone is, given the thought. Below 1, a model
    learns to think stale thoughts and still to do what its thought says."""
    block: Positive = 1024
    """Examples a block; a run resumes at the start of a block."""
    longest: Positive = 640
    """Tokens; longer examples are dropped."""
    short_first: Positive = 260
    """Tokens; the limit while training begins."""
    short_share: Share = 0.08
    """Share of the steps that count as the beginning."""


class PretrainOptimizer(_Table):
    """Peak learning rates: Muon for matrices, AdamW for embeddings and norms."""

    muon: Rate = 0.02
    adamw: Rate = 2e-3


class PretrainRecipe(_Table):
    """Pretraining from scratch, or (`start`) from a model folder."""

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


class TrainingData(_Table):
    """The prompts to train on: verified files, made-up migrations beside them, and a share of no-ops."""

    migrations: tuple[str, ...] = ("data/train.jsonl",)
    no_ops: tuple[str, ...] = ("data/no_op_train.jsonl",)
    generated: Annotated[int, Field(ge=0)] = 0
    """Made-up migrations (train pool of names) mixed with the real ones."""
    no_op_share: Share = 0.25
    """Share of prompts whose note does not concern their code; without them a policy learns to edit regardless."""
    max_prompt_tokens: Positive = 2048


class Optimization(_Table):
    """The optimiser: AdamW with warm-up, then `schedule`."""

    steps: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    warmup_share: Share = 0.0
    """Warm-up as a share of all steps; used where `warmup_steps` is 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    adam_beta2: Share = 0.999
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    gradient_checkpointing: bool = False
    save_every: Positive = 10
    """Steps between checkpoints; a killed run goes on from the last one."""

    @property
    def warmup(self) -> int:
        """Return the steps of warm-up, however they were asked for."""
        return self.warmup_steps or int(self.warmup_share * self.steps)


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


class Rollout(_Table):
    """How a step's completions are sampled."""

    prompts_per_step: Positive = 8
    samples_per_prompt: Annotated[int, Field(ge=2)] = 8
    minibatches: Positive = 1
    """Optimiser steps taken on one batch of rollouts."""
    sequences_at_once: Positive | None = None
    """Sequences in one forward pass; None: a whole minibatch."""
    max_new_tokens: Positive = 1024
    temperature: Annotated[float, Field(gt=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0


class PolicyLoss(_Table):
    """The surrogate loss: clipping, aggregation, KL penalty and how advantages are scaled."""

    aggregation: Literal["grpo", "dapo", "dr_grpo", "bnpo"] = "grpo"
    """`grpo` averages per sequence, `dapo` per token; `dr_grpo` (arXiv 2503.20783) sums over tokens, divided by `max_new_tokens`."""
    clip_low: Annotated[float, Field(gt=0)] = 0.2
    clip_high: Annotated[float, Field(gt=0)] = 0.2
    dual_clip: Annotated[float, Field(gt=1)] | None = None
    """Upper bound on the loss ratio of tokens with negative advantage (dual-clip PPO's c, arXiv 1912.09729)."""
    importance: Literal["token", "sequence"] = "token"
    """What a ratio is taken of: each token (GRPO, DAPO) or, length-normalised, the whole sequence (GSPO, arXiv 2507.18071)."""
    kl: Annotated[float, Field(ge=0)] = 0.0
    kl_correction: bool = True
    """Weigh the KL term by the ratio, so that its gradient is that of the KL (arXiv 2512.02556); GRPO's paper does not."""
    scale_rewards: Literal["group", "batch", "none"] = "group"


class DynamicSampling(_Table):
    """DAPO's filter (arXiv 2503.14476, section 3.2): groups without spread of rewards are dropped and resampled."""

    enabled: bool = False
    max_batches: Positive = 10
    """Generation batches a step may take in all."""
    prompts_per_batch: Positive | None = None
    """Prompts of a generation batch, of all processes together; None: as many as are still missing. More than a step trains on
    fill it in fewer batches, which is faster where a batch costs the same whatever its size."""


class Overlong(_Table):
    """DAPO's soft overlong punishment (arXiv 2503.14476, section 3.4); `buffer` 0 turns it off."""

    buffer: Annotated[int, Field(ge=0)] = 0
    """Tokens before `max_new_tokens` over which the punishment grows from 0 to -1."""
    mask_truncated: bool = False


class RewardTerms(_Table):
    """The reward: a family of scores and the weights of its terms."""

    family: Literal["strict", "paper"] = "strict"
    weights: Annotated[
        dict[Literal["format", "exact", "edit", "lift", "progress", "execution"], FiniteFloat], Field(min_length=1)
    ] = {"format": 1.0, "edit": 1.0}


class Vllm(_Table):
    """Sampling by vLLM instead of the training process's own generation."""

    mode: Literal["colocate", "server"] = "colocate"
    """`colocate`: on the training GPUs; `server`: by `vllm serve` on others."""
    server: str = "http://localhost:8000"
    timeout: Annotated[float, Field(gt=0)] = 240.0
    """Seconds to wait for the server to be up."""
    memory_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of a GPU's memory for colocated vLLM: its weights and key-value cache."""
    tensor_parallel: Positive = 1
    """GPUs over which one copy of the sampling model is spread."""

    @field_validator("server")
    @classmethod
    def _address(cls, server: str) -> str:
        try:
            parts = urlsplit(server)
            whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            whole = False
        if not whole:
            raise ValueError(f"`{server}` is no address like http://localhost:8000")
        return server

    @property
    def port(self) -> int:
        """Return the port of `server`; where the address has none, that of its scheme."""
        parts = urlsplit(self.server)
        return parts.port or {"http": 80, "https": 443}[parts.scheme]


class Hardware(_Table):
    """The machines of a run."""

    gpus: Positive = 1
    """In each machine."""
    machines: Positive = 1
    sharding: Literal["none", "full"] = "none"
    """`full` spreads weights, gradients and optimiser states over all GPUs (FSDP2)."""

    @property
    def processes(self) -> int:
        """Return how many processes train together: one for each GPU."""
        return self.gpus * self.machines


class Adapter(_Table):
    """Low-rank adaptation in place of training every weight (LoRA, arXiv 2106.09685; DoRA, arXiv 2402.09353)."""

    kind: Literal["lora", "dora"] = "lora"
    rank: Positive = 64
    alpha: Positive = 64
    """An update is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.01
    targets: tuple[str, ...] = ()
    """Names of the layers to adapt, such as `q_proj`; none: every linear layer but the head."""
    four_bit: bool = False
    """Hold the frozen base in 4-bit NormalFloat (QLoRA, arXiv 2305.14314); needs bitsandbytes."""


class SftRecipe(_Table):
    """Supervised fine-tuning on the gold programs."""

    method: Literal["sft"]
    model: str
    seed: Seed = 42
    data: TrainingData = TrainingData()
    adapter: Adapter | None = None
    """None: every weight is trained."""
    optimization: SftOptimization
    hardware: Hardware = Hardware()

    @model_validator(mode="after")
    def _dealt(self) -> Self:
        settings = self.optimization
        if settings.examples_per_step % (settings.examples_at_once * self.hardware.processes):
            raise ValueError(
                f"the {settings.examples_per_step} examples of a step cannot be dealt to {self.hardware.processes} GPUs, "
                f"{settings.examples_at_once} at once; change hardware, examples_per_step or examples_at_once"
            )
        return self


class PolicyRecipe(_Table):
    """Reinforcement learning with rule-based rewards: GRPO, or DAPO with all its parts."""

    method: Literal["grpo", "dapo"]
    model: str
    seed: Seed = 42
    data: TrainingData = TrainingData()
    adapter: Adapter | None = None
    """None: every weight is trained."""
    optimization: Optimization
    hardware: Hardware = Hardware()
    rollout: Rollout = Rollout()
    vllm: Vllm | None = None
    """None: the training process samples by itself."""
    loss: PolicyLoss = PolicyLoss()
    dynamic_sampling: DynamicSampling = DynamicSampling()
    overlong: Overlong = Overlong()
    reward: RewardTerms = RewardTerms()

    @property
    def batches(self) -> int:
        """Return how many batches of rollouts the steps need; the last may not be used up."""
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
                f"the {share} sequences of a minibatch cannot be dealt to {self.hardware.processes} GPUs"
                + (f", {at_once} at once" if at_once else "")
                + "; change hardware, rollout.minibatches or rollout.sequences_at_once"
            )
        if self.dynamic_sampling.enabled and self.rollout.prompts_per_step % self.hardware.processes:
            raise ValueError(
                f"with dynamic_sampling a GPU takes whole groups: the {self.hardware.processes} GPUs must divide prompts_per_step"
            )
        if self.optimization.save_every % self.rollout.minibatches:
            raise ValueError("optimization.save_every must be a multiple of rollout.minibatches")
        if self.method == "dapo" and not self.dynamic_sampling.enabled:
            raise ValueError(
                'dynamic_sampling.enabled must be true: without it the method is not DAPO (use method = "grpo")'
            )
        return self


Recipe = Annotated[PretrainRecipe | SftRecipe | PolicyRecipe, Field(discriminator="method")]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Recipe)


def load_recipe(path: str | Path, overrides: dict[str, Any] | None = None) -> PretrainRecipe | SftRecipe | PolicyRecipe:
    """Read and validate a recipe.

    Args:
        path: the TOML file.
        overrides: values that replace the file's, by key, such as `{"seed": 3, "loss.clip_high": 0.28}`.

    Raises:
        RecipeError: the file cannot be read, is not TOML, or a key or value is wrong; names file and key, and for an
            unknown key the nearest known one.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot be read ({error.strerror}); name a TOML file, such as those in recipes/"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    try:
        recipe: PretrainRecipe | SftRecipe | PolicyRecipe = _ADAPTER.validate_python(_replaced(values, overrides or {}))
    except ValidationError as error:
        raise RecipeError(f"{path}: {_explain(error)}") from None
    return recipe


def _replaced(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the values with those at dotted keys replaced; a table that is replaced is replaced whole."""
    values = dict(values)
    for key, value in overrides.items():
        first, dot, rest = key.partition(".")
        inner = values.get(first, {})
        values[first] = _replaced(inner if isinstance(inner, dict) else {}, {rest: value}) if dot else value
    return values


def _explain(error: ValidationError) -> str:
    """Return one line on the first problem; an unknown key names the nearest known one."""
    first = error.errors()[0]
    # The first part of a location is the method, by which the kind of recipe was chosen.
    where = [str(part) for part in first["loc"][1:]]
    if first["type"] != "extra_forbidden":
        return f"`{'.'.join(where) or 'method'}`: {first['msg'].removeprefix('Value error, ')}"
    known = _known_keys(str(first["loc"][0]), where[:-1])
    near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(sorted(known))}"
    return f"unknown key `{'.'.join(where)}`; {hint}"


def _known_keys(method: str, tables: list[str]) -> list[str]:
    """Return the keys of the table at this path in the recipe of this method."""
    model: Any = {"pretrain": PretrainRecipe, "sft": SftRecipe}.get(method, PolicyRecipe)
    for table in tables:
        kind = model.model_fields[table].annotation
        # A table that may be left out is a union with None.
        model = next(part for part in get_args(kind) or (kind,) if part is not type(None))
    return list(model.model_fields)
