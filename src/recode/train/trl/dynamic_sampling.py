"""Dynamic sampling for any trainer of TRL that forms groups: GRPO, RLOO and their subclasses.

    from recode.train.trl.dynamic_sampling import WithDynamicSampling

    class Trainer(WithDynamicSampling, GRPOTrainer):
        max_rounds = 5

TRL generates, scores, and computes advantages and losses. This class decides which groups a batch is made of: those in which every
advantage would be zero are dropped, and other prompts of the data set are sampled in their place. A batch keeps its size. Rewards are
computed once for each completion, so they may be slow or random.

It needs private methods of TRL, so it checks TRL's release when it is imported. Shapes: N sequences of this process, T reward terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from recode.errors import RecodeError
from recode.train.dynamic_sampling import Row, fill_batch, flat_groups, fresh_rows
from recode.train.trl.version import check_trl

check_trl()

if TYPE_CHECKING:
    _Trainer = Any
else:
    _Trainer = object

_TEXTS = {8: 3, 3: 2}
"""Where the completions stand in the tuple that `_generate` returns, by its length: 8 in GRPO, 3 in RLOO."""
_EXTRA_FIELDS = 5
"""Where the further columns of a `rollout_func` stand in GRPO's tuple."""


@dataclass(frozen=True)
class Drawn:
    """What was sampled for N sequences of one process, and how it was scored."""

    values: tuple[Any, ...]
    """What `_generate` returned: lists of N, dictionaries of such lists, or values that are absent or the same for all."""
    terms: Tensor
    """Their reward terms (N, T); NaN where a completion lacks one."""
    extra_logs: dict[str, list[Any]]
    """What reward functions logged by `log_extra`: N values for each column."""

    @property
    def prompt_ids(self) -> list[list[int]]:
        """Return the token ids of each prompt, N lists."""
        ids: list[list[int]] = self.values[0]
        return ids

    @property
    def completion_ids(self) -> list[list[int]]:
        """Return the token ids of each completion, N lists, with the end token where it was reached."""
        ids: list[list[int]] = self.values[1]
        return ids

    @property
    def completions(self) -> list[Any]:
        """Return the completions, N strings or lists of messages."""
        texts: list[Any] = self.values[_TEXTS[len(self.values)]]
        return texts

    def part(self, sequences: slice) -> Self:
        """Return what was sampled for some of the sequences."""
        values = tuple(_part(value, sequences) for value in self.values)
        return type(self)(values, self.terms[sequences], _part(self.extra_logs, sequences))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the parts as one batch, in their order."""
        sizes = [len(part.terms) for part in parts]
        values = tuple(_joined(held, sizes) for held in zip(*(part.values for part in parts), strict=True))
        logs = _joined([part.extra_logs for part in parts], sizes)
        return cls(values, torch.cat([part.terms for part in parts]), logs)


def _part(value: Any, sequences: slice) -> Any:
    if isinstance(value, dict):
        return {key: _part(column, sequences) for key, column in value.items()}
    return value[sequences] if isinstance(value, list) and value else value


def _joined(values: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Return one column of several parts. A part that has none, such as images where a batch had no image, gets empty places."""
    if all(isinstance(value, dict) for value in values):
        names = dict.fromkeys(name for value in values for name in value)
        return {name: _joined([value.get(name) for value in values], sizes) for name in names}
    if not any(isinstance(value, list) and value for value in values):
        return values[0]
    held = [
        value if isinstance(value, list) and value else [None] * size for value, size in zip(values, sizes, strict=True)
    ]
    return [item for value in held for item in value]


class _Generated(Exception):
    """Ends TRL's step after it generated, so that only what is kept is scored further."""

    def __init__(self, prompts: list[Any], values: tuple[Any, ...]) -> None:
        super().__init__()
        self.prompts, self.values = prompts, values


class WithDynamicSampling(_Trainer):  # type: ignore[misc]
    """Dynamic sampling, to be named before the trainer in a class statement; see the module's text.

    What replaces dropped groups depends on seed, step and round alone, so a run that is resumed draws the same prompts.
    """

    max_rounds: int = 10
    """How often a batch is sampled at most. If groups are still missing then, dropped ones fill it: their advantages are zero."""
    prompts_per_round: int = 0
    """How many prompts a round samples at least, over all processes; 0: as many as are missing."""
    samples_dynamically: bool = True
    METRICS: ClassVar[str] = "dynamic_sampling"
    """Where the counts of groups stand in the log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.chosen: Drawn | None = None
        """What the step at hand trains on, once it has been chosen."""
        self.round = 0
        """The number of the round that is sampled for the batch at hand, from 0."""
        self._in_round = False
        self._place = (-1, -1)
        """The step at hand, and how many batches were generated in it before."""
        if self.samples_dynamically:
            self._check()

    def _check(self) -> None:
        """Make sure that groups can be dropped and replaced.

        Raises:
            RecodeError: they cannot; the message says which setting is in the way.
        """
        share = self.args.per_device_train_batch_size * self.args.steps_per_generation
        if share % self.num_generations:
            raise RecodeError(
                f"dynamic sampling takes whole groups in each process: per_device_train_batch_size times steps_per_generation ({share}) must "
                f"be a multiple of num_generations ({self.num_generations})"
            )
        if not hasattr(self.train_dataset, "__getitem__") or not hasattr(self.train_dataset, "__len__"):
            raise RecodeError(
                "dynamic sampling draws other prompts by their number: train_dataset must be a Dataset, not an IterableDataset"
            )
        if self._is_leave_one_out and self.beta:
            raise RecodeError(
                "RLOO puts the KL penalty into the rewards, so that no group is without a spread; set beta=0 or leave dynamic sampling out"
            )

    @property
    def _is_leave_one_out(self) -> bool:
        return any(kind.__name__ == "RLOOTrainer" for kind in type(self).__mro__)

    def fill(self, rows: list[Row]) -> tuple[list[Row], Drawn]:
        """Return the rows that the step trains on, one for each sequence, and what was sampled for them.

        Every generated group is counted in the log: trained on, dropped, or left over in a process that was already full.
        """
        filler = fill_batch(
            rows,
            self.num_generations,
            rounds=self.max_rounds,
            at_least=self.prompts_per_round // self.accelerator.num_processes,
            draw=self._fresh_rows,
            sample=self._sample_and_score,
            largest=lambda count: int(self._gathered(count).max()),
        )
        for name, count in filler.counts().items():
            self._metrics["train"][f"{self.METRICS}/{name}"].append(float(self._gathered(count).sum()))
        groups = filler.batch()
        return [row for group in groups for row in group.rows], Drawn.join([group.sampled for group in groups])

    def _fresh_rows(self, number: int, count: int) -> list[Row]:
        """Return this process's rows, one for each sequence, of a round in which every process generates `count` groups."""
        if not count:
            return []
        place, (step, earlier) = self.accelerator.process_index, self._place
        draw = fresh_rows(self.train_dataset, self.args.seed)
        rows = draw(step, number + 1000 * earlier, count * self.accelerator.num_processes)
        return [row for row in rows[place * count : (place + 1) * count] for _ in range(self.num_generations)]

    def _sample_and_score(self, number: int, rows: list[Row]) -> tuple[Drawn, Tensor]:
        """Return what was sampled for a round's rows, and which groups (groups,) have no advantage."""
        self.round, self._in_round = number, True
        rows[:] = [dict(row) for row in rows]
        try:
            # TRL resets environments and binds tools before it generates, and is stopped right after it.
            super()._generate_and_score_completions(rows)
            raise AssertionError("TRL has not generated")
        except _Generated as generated:
            prompts, values = generated.prompts, generated.values
        finally:
            self._in_round = False
        if len(values) > _EXTRA_FIELDS:
            _add_columns(rows, values[_EXTRA_FIELDS])
        self._pending_extra_logs.clear()
        terms = self._calculate_rewards(rows, prompts, values[_TEXTS[len(values)]], values[1])
        start = self.accelerator.process_index * len(rows)
        own = terms[start : start + len(rows)]
        logs = {name: column for name, column in self._pending_extra_logs.items() if len(column) == len(rows)}
        self._pending_extra_logs.clear()
        flat = flat_groups(
            own,
            self.reward_weights,
            self.num_generations,
            each_term=getattr(self, "multi_objective_aggregation", "") == "normalize_then_sum",
            within=getattr(self, "reward_clip_range", None),
        )
        return Drawn(values, own, logs), flat

    def _gathered(self, count: int) -> Tensor:
        """Return every process's number."""
        gathered: Tensor = self.accelerator.gather(torch.tensor([count], device=self.accelerator.device))
        return gathered

    # --- TRL's private methods ---

    def _generate_and_score_completions(self, inputs: list[Row]) -> dict[str, Any]:
        """Choose what the step trains on, then let TRL score it and compute advantages."""
        if not (self.model.training and self.samples_dynamically):
            scored: dict[str, Any] = super()._generate_and_score_completions(inputs)
            return scored
        step = self.state.global_step
        self._place = (step, self._place[1] + 1 if self._place[0] == step else 0)
        rows, self.chosen = self.fill(inputs)
        try:
            return super()._generate_and_score_completions(rows)
        finally:
            self.chosen = None

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        """Return what was chosen, if anything was; otherwise sample."""
        if self.chosen is not None:
            return self.chosen.values
        values: tuple[Any, ...] = super()._generate(prompts)
        if self._in_round:
            raise _Generated(prompts, values)
        return values

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Tensor:
        """Return the reward terms of all processes' completions: those of the round in which they were sampled."""
        if self.chosen is None:
            terms: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
            return terms
        for name, column in self.chosen.extra_logs.items():
            self._pending_extra_logs[name].extend(column)
        gathered: Tensor = self.accelerator.gather(self.chosen.terms)
        return gathered


def _add_columns(rows: list[Row], columns: dict[str, Any]) -> None:
    """Add what a `rollout_func` returned beside the completions, as TRL does before it calls the reward functions."""
    for place, row in enumerate(rows):
        for name, values in columns.items():
            if not isinstance(values, list):
                row[name] = values
            elif place < len(values):
                row[name] = values[place]
