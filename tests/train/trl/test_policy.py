"""Dynamic sampling, by real steps of a random model.

A random model writes nothing well-formed, so that the rules give all its completions the same reward. Where spread is
needed, the reward is `varied` instead: it depends on a completion's first token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from recode.records import read_jsonl
from recode.train.trl import run
from recode.train.trl.policy import PolicyTrainer, _gradable, _joined, _part, _spreads, fresh_rows
from tests.train.killed_run import Kill, MakePolicy, varied

GROUP, WANTED = 2, 3


class Watched:
    """What a run of dynamic sampling generated, and what it trained on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.generated: list[list[str]] = []
        self.batches: list[tuple[list[dict[str, Any]], tuple[Any, ...]]] = []
        fill, rollout = PolicyTrainer._fill, PolicyTrainer._rollout

        def watched_fill(trainer: PolicyTrainer, inputs: list[dict[str, Any]]) -> Any:
            self.generated.append([])
            self.batches.append(fill(trainer, inputs))
            return self.batches[-1]

        def watched_rollout(trainer: PolicyTrainer, prompts: list[str], other: Any) -> Any:
            self.generated[-1] += prompts
            return rollout(trainer, prompts, other)

        monkeypatch.setattr(PolicyTrainer, "_fill", watched_fill)
        monkeypatch.setattr(PolicyTrainer, "_rollout", watched_rollout)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(folder / "log.jsonl")]


def test_every_kept_group_has_spread_and_full_size(
    policy: MakePolicy, watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)
    run.train(policy(steps=3), tmp_path)
    log = log_of(tmp_path)
    assert [row["step"] for row in log] == [1, 2, 3]
    for row, generated, (rows, rollouts) in zip(log, watched.generated, watched.batches, strict=True):
        assert len(rows) == len(rollouts[0]) == len(rollouts[1]) == len(rollouts[3]) == WANTED * GROUP
        for start in range(0, len(rows), GROUP):
            assert rows[start] == rows[start + 1]
            assert rollouts[0][start] == rollouts[0][start + 1]
            assert set(varied(rollouts[1][start : start + GROUP])) == {0.0, 1.0}
        assert row["dynamic_sampling/groups_generated"] == len(generated) / GROUP
        assert row["dynamic_sampling/groups_dropped"] >= 0
        assert row["dynamic_sampling/groups_without_spread"] == 0
        assert row["frac_reward_zero_std"] == 0
        assert row["reward"] == 0.5
    assert sum(row["dynamic_sampling/groups_dropped"] for row in log) > 0


def test_no_prompt_is_lost(
    policy: MakePolicy, watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)
    planned: list[dict[str, Any]] = []
    plan = run.plan
    monkeypatch.setattr(run, "plan", lambda *args: planned.extend(plan(*args)) or planned)
    run.train(policy(steps=4), tmp_path)
    for step, (row, generated, (rows, _)) in enumerate(
        zip(log_of(tmp_path), watched.generated, watched.batches, strict=True)
    ):
        # Every prompt of the plan has its turn, in its step.
        mine = [one["prompt"] for one in planned[step * WANTED : (step + 1) * WANTED]]
        assert generated[: WANTED * GROUP] == [prompt for prompt in mine for _ in range(GROUP)]
        # Whatever was generated was trained on or counted.
        filled_in = row["dynamic_sampling/groups_without_spread"]
        unused = row["dynamic_sampling/groups_dropped"] - filled_in + row["dynamic_sampling/groups_surplus"]
        assert row["dynamic_sampling/groups_generated"] == len(generated) / GROUP == len(rows) / GROUP + unused
        assert row["dynamic_sampling/groups_surplus"] == 0


def test_generation_batches_larger_than_the_training_batch_fill_it_in_fewer(
    policy: MakePolicy, watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)
    run.train(policy(steps=4, max_batches=1, prompts_per_batch=4 * WANTED), tmp_path)
    for row, generated, (rows, _) in zip(log_of(tmp_path), watched.generated, watched.batches, strict=True):
        assert len(generated) == 4 * WANTED * GROUP
        assert row["dynamic_sampling/groups_generated"] == 4 * WANTED
        assert row["dynamic_sampling/groups_without_spread"] == 0
        assert row["dynamic_sampling/groups_surplus"] == 3 * WANTED - row["dynamic_sampling/groups_dropped"]
        assert len(rows) == WANTED * GROUP
    assert sum(row["dynamic_sampling/groups_dropped"] for row in log_of(tmp_path)) > 0


def test_the_batch_is_full_unless_the_bound_is_hit(
    policy: MakePolicy, watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)
    run.train(policy(max_batches=2, steps=6), tmp_path)
    short = 0
    for row, generated, (rows, rollouts) in zip(log_of(tmp_path), watched.generated, watched.batches, strict=True):
        spread = [set(varied(rollouts[1][start : start + GROUP])) == {0.0, 1.0} for start in range(0, len(rows), GROUP)]
        missing = WANTED - sum(spread)
        assert row["dynamic_sampling/groups_without_spread"] == missing
        # Where groups lack spread, the second and last round was taken as well.
        assert not missing or len(generated) > WANTED * GROUP
        short += missing > 0
    assert 0 < short < 6


def test_a_run_killed_in_the_middle_of_a_refill_goes_on_to_the_same_weights(
    policy: MakePolicy, kill: Kill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)
    kill(policy(), tmp_path / "killed", 3, "refilling")
    assert len(log_of(tmp_path / "killed")) < 5
    models = [run.train(policy(), tmp_path / name) for name in ("killed", "whole")]
    killed, whole = (load_file(model / "model.safetensors") for model in models)
    assert all(torch.equal(killed[name], whole[name]) for name in whole)


def test_rows_and_their_rollouts_stay_together(
    policy: MakePolicy, watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)
    tokenizers: list[Any] = []
    load = run.load_base
    monkeypatch.setattr(run, "load_base", lambda recipe: tokenizers.append(load(recipe)) or tokenizers[-1])
    run.train(policy(steps=2), tmp_path)
    tokenizer = tokenizers[0][1]
    for rows, rollouts in watched.batches:
        assert [tokenizer(row["prompt"])["input_ids"] for row in rows] == rollouts[0]
        assert tokenizer.batch_decode(rollouts[1], skip_special_tokens=True) == rollouts[3]


def test_a_step_whose_groups_are_all_flat_stops_at_the_bound(
    policy: MakePolicy, watched: Watched, tmp_path: Path
) -> None:
    run.train(policy(max_batches=3, steps=2), tmp_path)
    log = log_of(tmp_path)
    assert [row["step"] for row in log] == [1, 2]
    for row, generated, (rows, _) in zip(log, watched.generated, watched.batches, strict=True):
        assert len(generated) == 3 * WANTED * GROUP
        assert row["dynamic_sampling/groups_generated"] == 3 * WANTED
        assert row["dynamic_sampling/groups_dropped"] == 3 * WANTED
        assert row["dynamic_sampling/groups_without_spread"] == WANTED
        assert len(rows) == WANTED * GROUP
        assert row["loss"] == 0
        assert row["reward_std"] == 0


def test_without_dynamic_sampling_flat_groups_are_kept(policy: MakePolicy, watched: Watched, tmp_path: Path) -> None:
    watched.generated.append([])
    run.train(policy(max_batches=0, steps=2), tmp_path)
    assert watched.batches == []
    assert len(watched.generated[0]) == 2 * WANTED * GROUP
    assert all(row["frac_reward_zero_std"] == 1 for row in log_of(tmp_path))


def test_fresh_rows_depend_on_seed_step_and_round_alone() -> None:
    rows = [{"id": n} for n in range(50)]
    draw = fresh_rows(rows, 1)
    assert draw(3, 1, 5) == fresh_rows(rows, 1)(3, 1, 5)
    assert len({str(draw(*place, 5)) for place in ((3, 1), (3, 2), (4, 1))} | {str(fresh_rows(rows, 2)(3, 1, 5))}) == 4
    assert len({row["id"] for row in draw(0, 1, 50)}) == 50
    assert len(draw(0, 1, 80)) == 80


def test_a_part_is_one_groups_share_of_every_field() -> None:
    rollouts = ([[1], [2], [3], [4]], None, ["a", "b", "c", "d"], [], {"extra": [5, 6, 7, 8]}, {})
    assert _part(rollouts, slice(2, 4)) == ([[3], [4]], None, ["c", "d"], [], {"extra": [7, 8]}, {})


def test_parts_join_to_the_whole_in_any_order() -> None:
    rollouts = ([[1], [2], [3], [4]], None, ["a", "b", "c", "d"], [], {"extra": [5, 6, 7, 8]}, {})
    parts = [_part(rollouts, slice(i, i + 2)) for i in (0, 2)]
    assert _joined(parts) == rollouts
    assert _joined(parts[::-1]) == ([[3], [4], [1], [2]], None, ["c", "d", "a", "b"], [], {"extra": [7, 8, 5, 6]}, {})


def test_a_term_that_one_completion_lacks_leaves_it_out_and_one_that_all_lack_leaves_the_sum() -> None:
    nan = float("nan")
    terms = torch.tensor([[1.0, 2.0], [1.0, nan], [1.0, nan], [0.5, nan]])
    left = _gradable(terms, 2)
    assert left[0].tolist() == [1.0, 2.0]
    assert left[1].isnan().all()
    assert left[2:, 0].tolist() == [1.0, 0.5]


def test_the_spread_of_a_group_is_that_of_its_graded_completions() -> None:
    nan = float("nan")
    rewards = torch.tensor([[1.0, nan, 3.0], [nan, nan, 2.0], [nan, nan, nan], [1.0, 1.0, 1.0]])
    assert _spreads(rewards).tolist() == [2.0, 0.0, 0.0, 0.0]
