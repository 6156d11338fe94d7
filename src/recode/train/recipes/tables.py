"""The tables that recipes of several methods share."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from recode.dataset.note_levels import NoteLevel

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Rate = Annotated[FiniteFloat, Field(gt=0)]


class Table(BaseModel):
    """Base of all recipes and their tables: an unknown key is an error, and values do not change after construction."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingData(Table):
    """The prompts to train on: files of verified migrations, made-up migrations, and a share of no-ops."""

    migrations: tuple[str, ...] = ("data/train.jsonl",)
    no_ops: tuple[str, ...] = ("data/no_op_train.jsonl",)
    generated: Annotated[int, Field(ge=0)] = 0
    """Made-up migrations, with names of the train pool, mixed with the real ones."""
    no_op_share: Share = 0.25
    """Share of prompts whose note does not concern their code. Without them a policy learns to edit regardless of the note."""
    max_prompt_tokens: Positive = 2048
    notes: Annotated[dict[NoteLevel, Annotated[FiniteFloat, Field(ge=0)]], Field(min_length=1)] = Field(
        default={"tailored": 1.0}
    )
    """Weights of the levels at which prompts show their notes, such as `{tailored = 1, section = 1}`. Each entry has one level in the
    whole run, drawn from those that it has; one that has none of them is skipped."""
    max_example_tokens: Positive | None = None
    """Tokens of a prompt and its gold completion together; longer entries are left out. None: no bound."""
    retold: Annotated[int, Field(ge=0)] = 0
    """Migrations of the files retold about made-up libraries, mixed with the others."""
    hard_no_ops: Annotated[int, Field(ge=0)] = 0
    """No-ops that no search for a name recognises: programs that follow the note already, or use another library's API of that name."""
    part: tuple[Share, Share] = (0.0, 1.0)
    """The update families of the files that are used, from one share of all to another. `[0, 0.5]` for a warm-up and `[0.5, 1]` for what follows
    have no family in common."""
    thoughts: Literal["sentence", "none", "quote", "edits"] = "sentence"
    """The gold thoughts of SFT. `sentence`: one of a few sentences; `none`: empty; `quote`: the note's sentence and the lines that it concerns;
    `edits`: each edit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.part[0] >= self.part[1]:
            raise ValueError("part must be two shares, the smaller one first")
        return self


class Optimization(Table):
    """The optimiser: AdamW with warm-up, then `schedule`."""

    steps: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    warmup_share: Share = 0.0
    """Warm-up as a share of all steps; used if `warmup_steps` is 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    adam_beta2: Share = 0.999
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["float32", "bfloat16", "auto"] = "bfloat16"
    """`auto`: bfloat16 on a GPU or a processor with instructions for it, else float32."""
    packed: bool = False
    """Lay sequences back to back without padding, and compute a prompt once for its whole group. For Llama models on a CPU, in one process."""
    gradient_checkpointing: bool = False
    save_every: Positive = 10
    """Steps between checkpoints; a killed run resumes from the last one."""

    @property
    def warmup(self) -> int:
        """Return the steps of warm-up, whichever key sets them."""
        return self.warmup_steps or int(self.warmup_share * self.steps)


class Validation(Table):
    """Greedy answers to a few entries while a run trains, logged beside the loss. They change no weight."""

    every: Positive
    """Steps between two measurements."""
    entries: Positive = 32
    files: tuple[str, ...] = ("data/validation.jsonl",)
    max_new_tokens: Positive = 300


class Hardware(Table):
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


class Adapter(Table):
    """Low-rank adaptation instead of training every weight (LoRA, arXiv 2106.09685; DoRA, arXiv 2402.09353)."""

    kind: Literal["lora", "dora"] = "lora"
    rank: Positive = 64
    alpha: Positive = 64
    """An update is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.01
    targets: tuple[str, ...] = ()
    """Names of the layers to adapt, such as `q_proj`. Empty: every linear layer but the head."""
    four_bit: bool = False
    """Hold the frozen base in 4-bit NormalFloat (QLoRA, arXiv 2305.14314); needs bitsandbytes."""
