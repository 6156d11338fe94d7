"""Dynamic sampling (DAPO, arXiv 2503.14476, section 3.2): which groups of completions a step trains on, and which prompts are sampled next.

A group is all completions of one prompt. If every completion of a group earns the same reward, all its advantages are zero and it teaches
nothing. Dynamic sampling drops such groups and samples other prompts in their place. Nothing here depends on a trainer.

Shapes: N sequences, G groups, S samples in a group (N = G x S), T reward terms.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

FLAT = 1e-6
"""If the rewards of a group differ by no more than this share of the largest, it has no spread: its advantages would be rounding errors."""

Row = dict[str, Any]
"""A prompt with the columns of its training entry."""


class Indexable(Protocol):
    """Rows that can be counted and taken by number: a list, or a data set of the library `datasets`."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, place: int, /) -> Row:
        """Return one of them."""


class Sliceable(Protocol):
    """What was sampled for a batch, sequence by sequence."""

    def part(self, sequences: slice) -> Self:
        """Return what was sampled for some of the sequences."""


SampledT = TypeVar("SampledT", bound=Sliceable)


@dataclass(frozen=True)
class SampledGroup(Generic[SampledT]):
    """One group: its rows (the same prompt `S` times), and what was sampled for them."""

    rows: list[Row]
    sampled: SampledT


class BatchFiller(Generic[SampledT]):
    """Collects the groups of one process until there are as many with spread as a step trains on."""

    def __init__(self, wanted: int, samples: int) -> None:
        """Take how many groups the step trains on, and the samples of each."""
        self.wanted, self.samples = wanted, samples
        self.kept: list[SampledGroup[SampledT]] = []
        self.flat: list[SampledGroup[SampledT]] = []

    @property
    def missing(self) -> int:
        """Return how many groups with spread are missing; negative if there are more than wanted."""
        return self.wanted - len(self.kept)

    def add(self, rows: list[Row], sampled: SampledT, flat: Tensor) -> None:
        """Sort the groups of a generated batch.

        Args:
            rows: the batch's rows (N,), group by group.
            sampled: what was sampled for them.
            flat: whether a group has no spread of rewards (G,).
        """
        for place, without_spread in enumerate(flat.tolist()):
            part = slice(place * self.samples, (place + 1) * self.samples)
            (self.flat if without_spread else self.kept).append(SampledGroup(rows[part], sampled.part(part)))

    def batch(self) -> list[SampledGroup[SampledT]]:
        """Return the groups to train on. If too few have spread, dropped ones fill the batch: their advantages are zero."""
        return (self.kept + self.flat)[: self.wanted]

    def counts(self) -> dict[str, int]:
        """Return how many groups were generated, dropped, trained on without spread, and left over because the batch was full."""
        return {
            "groups_generated": len(self.kept) + len(self.flat),
            "groups_dropped": len(self.flat),
            "groups_without_spread": max(0, self.missing),
            "groups_surplus": max(0, -self.missing),
        }


def fill_batch(
    rows: list[Row],
    samples: int,
    *,
    rounds: int,
    at_least: int,
    draw: Callable[[int, int], list[Row]],
    sample: Callable[[int, list[Row]], tuple[SampledT, Tensor]],
    largest: Callable[[int], int],
) -> BatchFiller[SampledT]:
    """Sample until every group has spread of rewards, or `rounds` are used up.

    Several processes fill their own shares in step, since generation and rewards wait for all of them: each generates as many groups as
    the process that lacks most.

    Args:
        rows: this process's rows of the step's plan, one for each sequence. All of them are sampled in the first round.
        samples: completions of each prompt.
        rounds: how often to sample at most.
        at_least: how many groups a round generates at least.
        draw: takes a round's number and a number of groups; returns fresh rows, one for each sequence.
        sample: takes a round's number and rows; returns what was sampled for them, and which groups have no spread of rewards (G,).
        largest: returns the largest of all processes' numbers.
    """
    filler: BatchFiller[SampledT] = BatchFiller(len(rows) // samples, samples)
    rows = rows + draw(0, max(0, at_least - filler.wanted))
    for number in range(rounds):
        if number:
            rows = draw(number, max(at_least, largest(filler.missing)))
        filler.add(rows, *sample(number, rows))
        if largest(filler.missing) <= 0:
            break
    return filler


def fresh_rows(rows: Indexable, seed: int) -> Callable[[int, int, int], list[Row]]:
    """Return the source of rows that replace dropped groups.

    It is a function of step, round and count. What it draws depends on them and the seed alone, so a resumed run draws the same rows.
    """

    def draw(step: int, number: int, count: int) -> list[Row]:
        rng = random.Random(f"refill-{seed}-{step}-{number}")
        every = range(len(rows))
        return [
            rows[place] for place in (rng.sample(every, count) if count <= len(every) else rng.choices(every, k=count))
        ]

    return draw


def flat_groups(
    terms: Tensor,
    weights: Tensor,
    samples: int,
    *,
    each_term: bool = False,
    within: tuple[float, float] | None = None,
) -> Tensor:
    """Return which groups (G,) have no advantage: by how advantages are computed, every one of theirs is zero.

    An advantage is a reward minus a mean, of the group or of its other completions, scaled or not. It is zero for a whole group only if all
    graded completions have the same reward; a single one that differs gives all of them an advantage.

    Args:
        terms: reward terms (N, T), NaN where a completion lacks one.
        weights: the weights of the terms (T,).
        samples: completions of a group.
        each_term: whether terms are normalised within a group before they are summed, so that a spread of each one counts.
        within: the range to which rewards are clipped.
    """
    if each_term:
        weighted = terms[:, weights.to(terms.device) != 0]
        return torch.stack([_flat(column.reshape(-1, samples)) for column in weighted.unbind(1)]).all(dim=0)
    rewards = weighted_sum(terms, weights)
    return _flat((rewards.clamp(*within) if within else rewards).view(-1, samples))


def _flat(rewards: Tensor) -> Tensor:
    """Return which groups (G,) have no spread among their graded completions, for rewards (G, S) with NaN where there is none."""
    absent = rewards.isnan()
    most = rewards.masked_fill(absent, -torch.inf).max(1).values
    least = rewards.masked_fill(absent, torch.inf).min(1).values
    largest = rewards.abs().nan_to_num(nan=0.0).max(1).values
    return (most - least).nan_to_num(nan=0.0, neginf=0.0) <= FLAT * largest


def gradable_terms(terms: Tensor, samples: int) -> Tensor:
    """Return rewards by term (N, T) in which a completion that lacks a term lacks all of them, so that it is left out.

    A term that a whole group lacks, such as the execution of programs that cannot be run, says nothing about any completion and leaves the
    sum. If only some lack it, a sum without it would be a reward of zero for something that nobody could grade.
    """
    absent = terms.isnan().view(-1, samples, terms.shape[1])
    some = (absent & ~absent.all(dim=1, keepdim=True)).any(dim=2).view(-1)
    return terms.masked_fill(some[:, None], torch.nan)


def weighted_sum(terms: Tensor, weights: Tensor) -> Tensor:
    """Return the rewards (N,) of terms (N, T) under weights (T,); NaN where a completion has no term at all."""
    summed = (terms * weights.to(terms.device)).nansum(dim=1)
    return summed.masked_fill(terms.isnan().all(dim=1), torch.nan)
