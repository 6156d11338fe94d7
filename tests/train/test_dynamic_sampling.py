"""Dynamic sampling alone: plain rows and rewards, no trainer and no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import pytest
import torch

from recode.train.dynamic_sampling import fill_batch, flat_groups, fresh_rows, gradable_terms, weighted_sum


@dataclass(frozen=True)
class Texts:
    """Stands for what was sampled."""

    texts: list[str]

    def part(self, sequences: slice) -> Self:
        return type(self)(self.texts[sequences])


class Sampler:
    """Samples two completions of each prompt; a prompt has spread of rewards if its number is odd."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.next = 100

    def draw(self, number: int, count: int) -> list[dict[str, Any]]:
        first, self.next = self.next, self.next + count
        return [{"n": n} for n in range(first, first + count) for _ in range(2)]

    def sample(self, number: int, rows: list[dict[str, Any]]) -> tuple[Texts, torch.Tensor]:
        self.rounds.append([row["n"] for row in rows[::2]])
        return Texts([f"{row['n']}" for row in rows]), torch.tensor([row["n"] % 2 == 0 for row in rows[::2]])


def filled(numbers: list[int], rounds: int = 10, at_least: int = 0, others: int = 0) -> tuple[Any, Sampler]:
    sampler = Sampler()
    rows = [{"n": n} for n in numbers for _ in range(2)]
    filler = fill_batch(
        rows, 2, rounds=rounds, at_least=at_least, draw=sampler.draw, sample=sampler.sample,
        largest=lambda count: max(count, others),
    )  # fmt: skip
    return filler, sampler


def groups(filler: Any) -> list[int]:
    batch = filler.batch()
    assert all(group.sampled.texts == [str(row["n"]) for row in group.rows] for group in batch)
    return [group.rows[0]["n"] for group in batch]


def test_a_batch_whose_groups_all_have_spread_is_sampled_once() -> None:
    filler, sampler = filled([1, 3, 5])
    assert sampler.rounds == [[1, 3, 5]]
    assert groups(filler) == [1, 3, 5]
    assert filler.counts() == {
        "groups_generated": 3, "groups_dropped": 0, "groups_without_spread": 0, "groups_surplus": 0,
    }  # fmt: skip


def test_each_round_samples_as_many_groups_as_are_missing() -> None:
    filler, sampler = filled([1, 2, 4])
    assert sampler.rounds == [[1, 2, 4], [100, 101], [102], [103]]
    assert groups(filler) == [1, 101, 103]
    assert filler.counts()["groups_dropped"] == 4


def test_at_the_bound_dropped_groups_fill_the_batch() -> None:
    filler, sampler = filled([2, 4, 6], rounds=2)
    assert len(sampler.rounds) == 2
    assert groups(filler) == [101, 2, 4]
    assert filler.counts()["groups_without_spread"] == 2


def test_larger_rounds_leave_a_surplus_that_is_counted() -> None:
    filler, sampler = filled([1, 3], at_least=6)
    assert sampler.rounds == [[1, 3, 100, 101, 102, 103]]
    assert groups(filler) == [1, 3]
    assert filler.counts()["groups_surplus"] == 2


def test_a_full_process_samples_on_while_another_lacks_groups() -> None:
    filler, sampler = filled([1, 3], rounds=3, others=2)
    assert [len(numbers) for numbers in sampler.rounds] == [2, 2, 2]
    assert groups(filler) == [1, 3]


def test_a_completion_without_any_term_has_no_reward() -> None:
    nan = float("nan")
    rewards = weighted_sum(torch.tensor([[1.0, 2.0], [nan, nan], [1.0, nan]]), torch.tensor([1.0, 0.5]))
    assert rewards[[0, 2]].tolist() == [2.0, 1.0]
    assert rewards[1].isnan()


def test_fresh_rows_depend_on_seed_step_and_round_alone() -> None:
    rows = [{"id": n} for n in range(50)]
    draw = fresh_rows(rows, 1)
    assert draw(3, 1, 5) == fresh_rows(rows, 1)(3, 1, 5)
    assert len({str(draw(*place, 5)) for place in ((3, 1), (3, 2), (4, 1))} | {str(fresh_rows(rows, 2)(3, 1, 5))}) == 4
    assert len({row["id"] for row in draw(0, 1, 50)}) == 50
    assert len(draw(0, 1, 80)) == 80


def test_a_term_that_one_completion_lacks_leaves_it_out_and_one_that_all_lack_leaves_the_sum() -> None:
    nan = float("nan")
    terms = torch.tensor([[1.0, 2.0], [1.0, nan], [1.0, nan], [0.5, nan]])
    left = gradable_terms(terms, 2)
    assert left[0].tolist() == [1.0, 2.0]
    assert left[1].isnan().all()
    assert left[2:, 0].tolist() == [1.0, 0.5]


NAN = float("nan")


@pytest.mark.parametrize(
    ("rewards", "flat"),
    [
        ([1.0, 1.0, 1.0], True),
        ([0.0, 0.0, 0.0], True),
        ([0.0, 0.0, 1.0], False),
        ([0.0, 0.0, 1e-9], False),
        # Two ways to add up to three tenths.
        ([0.1 + 0.2, 0.3, 0.3], True),
        ([1000.0, 1000.0, 1000.5], False),
        ([1.0, NAN, 3.0], False),
        # Without another graded completion there is nothing to compare it with.
        ([NAN, NAN, 2.0], True),
        ([NAN, NAN, NAN], True),
    ],
)
def test_a_group_is_flat_only_if_all_its_graded_rewards_are_equal(rewards: list[float], flat: bool) -> None:
    terms = torch.tensor(rewards)[:, None]
    assert flat_groups(terms, torch.tensor([1.0]), 3).tolist() == [flat]


def test_flat_groups_have_no_advantage_and_others_have_one_however_it_is_computed() -> None:
    rng = torch.Generator().manual_seed(1)
    terms = torch.randint(0, 2, (400, 2), generator=rng).float()
    terms[torch.rand(400, 2, generator=rng) < 0.2] = NAN
    weights = torch.tensor([1.0, 0.5])
    rewards = weighted_sum(terms, weights).view(-1, 4)
    centred = rewards - rewards.nanmean(1, keepdim=True)
    graded = (~rewards.isnan()).sum(1, keepdim=True)
    others = rewards - (rewards.nansum(1, keepdim=True) - rewards) / (graded - 1)
    flat = flat_groups(terms, weights, 4)
    assert 0 < flat.sum() < len(flat)
    for advantages in (centred, others):
        assert torch.equal(advantages.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).abs().max(1).values < 1e-5, flat)


def test_terms_that_cancel_each_other_count_where_each_is_normalised() -> None:
    terms = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    weights = torch.tensor([1.0, 1.0])
    assert flat_groups(terms, weights, 2).tolist() == [True]
    assert flat_groups(terms, weights, 2, each_term=True).tolist() == [False]
    assert flat_groups(terms[:, :1].repeat(1, 2) * 0, weights, 2, each_term=True).tolist() == [True]


def test_rewards_beyond_the_range_they_are_clipped_to_are_equal() -> None:
    terms = torch.tensor([[3.0], [5.0]])
    assert flat_groups(terms, torch.tensor([1.0]), 2, within=(-1.0, 1.0)).tolist() == [True]
