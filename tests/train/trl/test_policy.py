"""Dynamic sampling, by real steps of a random model.

A random model writes nothing well-formed, so that the rules give all its completions the same reward. Where spread is
needed, the reward is `varied` instead: it depends on a completion's first token.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from recode.prompts import response
from recode.records import read_jsonl
from recode.train.trl import run
from recode.train.trl.dynamic_sampling import Drawn
from recode.train.trl.policy import PolicyTrainer
from tests.train.killed_run import Kill, MakePolicy, varied

GROUP, WANTED = 2, 3


class Watched:
    """What a run of dynamic sampling generated, and what it trained on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.generated: list[list[str]] = []
        self.batches: list[tuple[list[dict[str, Any]], Drawn]] = []
        fill, sample = PolicyTrainer.fill, PolicyTrainer.own_rollouts

        def watched_fill(trainer: PolicyTrainer, inputs: list[dict[str, Any]]) -> Any:
            self.generated.append([])
            self.batches.append(fill(trainer, inputs))
            return self.batches[-1]

        def watched_sample(trainer: PolicyTrainer, prompts: list[str]) -> Any:
            self.generated[-1] += prompts
            return sample(trainer, prompts)

        monkeypatch.setattr(PolicyTrainer, "fill", watched_fill)
        monkeypatch.setattr(PolicyTrainer, "own_rollouts", watched_sample)


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
        assert (
            len(rows)
            == len(rollouts.prompt_ids)
            == len(rollouts.completion_ids)
            == len(rollouts.completions)
            == WANTED * GROUP
        )
        for start in range(0, len(rows), GROUP):
            assert rows[start] == rows[start + 1]
            assert rollouts.prompt_ids[start] == rollouts.prompt_ids[start + 1]
            assert set(varied(rollouts.completion_ids[start : start + GROUP])) == {0.0, 1.0}
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
        spread = [
            set(varied(rollouts.completion_ids[start : start + GROUP])) == {0.0, 1.0}
            for start in range(0, len(rows), GROUP)
        ]
        missing = WANTED - sum(spread)
        assert row["dynamic_sampling/groups_without_spread"] == missing
        # Where groups lack spread, the second and last round was taken as well.
        assert not missing or len(generated) > WANTED * GROUP
        short += missing > 0
    assert 0 < short < 6


@pytest.mark.slow
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
        assert [tokenizer(row["prompt"])["input_ids"] for row in rows] == rollouts.prompt_ids
        assert tokenizer.batch_decode(rollouts.completion_ids, skip_special_tokens=True) == rollouts.completions


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


def test_exact_matches_and_copies_are_logged_by_tree() -> None:
    logged: dict[str, tuple[float, int]] = {}
    trainer = SimpleNamespace(
        feedback=None, _log_share=lambda name, total, count: logged.update({name: (total, count)})
    )
    migration = {"target": "x = new('a')", "old_code": "x = old('a')", "copy": 1.0}
    no_op = {"target": "x = new('a')", "old_code": 'x = new("a",)', "copy": 2.0}
    answers = ['x = (new("a"))', "x = old(\n'a')", "x = other('a')", None, 'x = new("a")']
    completions = ["no answer" if answer is None else response("t", answer) for answer in answers]
    PolicyTrainer._log_answers(trainer, [migration] * 4 + [no_op], completions)  # type: ignore[arg-type]
    assert logged == {"exact": (2, 5), "copy": (1, 4), "reward_of_copying": (6.0, 5)}


@pytest.mark.parametrize("at_once", [None, 2])
def test_packed_groups_have_the_loss_and_gradient_of_padded_sequences(
    policy: MakePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int | None
) -> None:
    monkeypatch.setattr(run, "trl_reward", lambda name, family: varied)
    numbers = []
    for packed in (False, True):
        recipe = policy(steps=1, precision="float32", packed=packed)
        recipe = recipe.model_copy(update={"rollout": recipe.rollout.model_copy(update={"sequences_at_once": at_once})})
        run.train(recipe, tmp_path / str(packed))
        row = log_of(tmp_path / str(packed))[0]
        numbers.append([row["loss"], row["grad_norm"], row["entropy"], row["num_tokens"]])
    assert numbers[0][1] > 0
    assert numbers[1] == pytest.approx(numbers[0], rel=1e-3, abs=1e-5)
