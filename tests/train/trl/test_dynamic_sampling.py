"""Dynamic sampling on TRL's own trainers, by real steps of a random model."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from trl import GRPOTrainer, RLOOTrainer

from recode.errors import RecodeError
from recode.train.trl.dynamic_sampling import Drawn
from tests.train.trl.plain_trainer import GROUP, GROUPS, Grpo, Rloo, make, rare

EXAMPLE = Path(__file__).parents[3] / "examples" / "dynamic_sampling.py"


def groups_of(values: Any) -> list[list[float]]:
    return [list(map(float, values[start : start + GROUP])) for start in range(0, len(values), GROUP)]


VARIANTS = [
    pytest.param(Grpo, {"scale_rewards": "group"}, id="group"),
    pytest.param(Grpo, {"scale_rewards": "batch"}, id="batch"),
    pytest.param(Grpo, {"scale_rewards": "none"}, id="none"),
    pytest.param(Grpo, {"multi_objective_aggregation": "normalize_then_sum"}, id="each term normalised"),
    pytest.param(Rloo, {}, id="leave one out"),
    pytest.param(Rloo, {"normalize_advantages": True}, id="leave one out, normalised"),
]


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_a_step_trains_on_groups_with_advantages_only_and_none_of_them_is_dropped(
    kind: type[Any], settings: dict[str, Any], tiny_model: Path, tmp_path: Path
) -> None:
    sampled: list[list[float]] = []

    def reward(completion_ids: list[list[int]], **others: Any) -> list[float]:
        sampled.append(rare(completion_ids))
        return sampled[-1]

    trainer = make(kind, tiny_model, tmp_path, reward, **settings)
    trainer.train()
    log = [row for row in trainer.state.log_history if "loss" in row]
    assert len(log) == len(trainer.steps) == len(trainer.scored) == 4
    for row, (rows, drawn), scored in zip(log, trainer.steps, trainer.scored, strict=True):
        assert len(rows) == GROUP * GROUPS
        assert all(len({one["number"] for one in rows[start : start + GROUP]}) == 1 for start in (0, GROUP))
        assert drawn.terms[:, 0].tolist() == rare(drawn.completion_ids)
        for advantages, rewards in zip(groups_of(scored["advantages"]), groups_of(drawn.terms[:, 0]), strict=True):
            assert len(set(rewards)) == 2
            assert all(abs(advantage) > 1e-3 for advantage in advantages)
        assert row["dynamic_sampling/groups_without_spread"] == row["frac_reward_zero_std"] == 0
    assert sum(row["dynamic_sampling/groups_dropped"] for row in log) > 0
    # Rewards are computed once for each completion, and whatever had a spread was trained on: a lone winner as well.
    every = [group for batch in sampled for group in groups_of(batch)]
    with_spread = [group for group in every if len(set(group)) == 2]
    trained_on = [group for _, drawn in trainer.steps for group in groups_of(drawn.terms[:, 0])]
    assert sorted(trained_on) == sorted(with_spread)
    assert any(sum(group) == 1 for group in trained_on)
    assert sum(row["dynamic_sampling/groups_generated"] for row in log) == len(every)


@pytest.mark.parametrize("kind", [Grpo, Rloo])
def test_a_run_resumed_from_a_checkpoint_ends_with_the_same_weights(
    kind: type[Any], tiny_model: Path, tmp_path: Path
) -> None:
    whole = make(kind, tiny_model, tmp_path)
    whole.train()
    resumed = make(kind, tiny_model, tmp_path)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert len(resumed.steps) == 2
    assert [rows for rows, _ in resumed.steps] == [rows for rows, _ in whole.steps[2:]]
    assert sum(row.get("dynamic_sampling/groups_dropped", 0) for row in resumed.state.log_history[2:]) > 0
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_batches_of_several_steps_and_several_batches_a_step_are_filled(tiny_model: Path, tmp_path: Path) -> None:
    half = {"per_device_train_batch_size": GROUP, "max_steps": 4}
    several = make(Grpo, tiny_model, tmp_path / "a", **half, steps_per_generation=2, gradient_accumulation_steps=1)
    several.train()
    assert len(several.steps) == 2
    halves = make(Grpo, tiny_model, tmp_path / "b", **half, steps_per_generation=1, gradient_accumulation_steps=2)
    halves.train()
    assert len(halves.steps) == 8
    for trainer in (several, halves):
        for _, drawn in trainer.steps:
            assert all(len(set(group)) == 2 for group in groups_of(drawn.terms[:, 0]))


def test_columns_of_a_rollout_function_and_of_rewards_stay_with_their_completions(
    tiny_model: Path, tmp_path: Path
) -> None:
    def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
        drawn = torch.randint(20, 40, (len(prompts), 3)).tolist()
        ids = trainer.processing_class(prompts)["input_ids"]
        return {
            "prompt_ids": ids, "completion_ids": drawn, "logprobs": None,
            "env_mask": [[1, 0, one[2] % 2] for one in drawn], "first": [one[0] for one in drawn],
        }  # fmt: skip

    def reward(completion_ids: list[list[int]], first: list[int], log_extra: Any, **_: Any) -> list[float]:
        assert first == [ids[0] for ids in completion_ids]
        log_extra("last", [ids[2] for ids in completion_ids])
        return rare(completion_ids)

    trainer = make(Grpo, tiny_model, tmp_path, reward)
    trainer.rollout_func = rollout
    trainer.train()
    for (rows, drawn), scored in zip(trainer.steps, trainer.scored, strict=True):
        assert [row["first"] for row in rows] == [ids[0] for ids in drawn.completion_ids]
        assert scored["tool_mask"].tolist() == [[1, 0, ids[2] % 2] for ids in drawn.completion_ids]
        assert drawn.extra_logs == {"last": [ids[2] for ids in drawn.completion_ids]}
    assert list(trainer._logs["extra"]["last"]) == trainer.steps[-1][1].extra_logs["last"]


def test_without_a_spread_a_step_stops_at_the_bound_with_zero_advantages(tiny_model: Path, tmp_path: Path) -> None:
    trainer = make(Grpo, tiny_model, tmp_path, lambda completions, **_: [1.0] * len(completions), max_steps=1)
    trainer.max_rounds = 3
    trainer.train()
    (row,) = [row for row in trainer.state.log_history if "loss" in row]
    assert row["dynamic_sampling/groups_generated"] == 3 * GROUPS
    assert row["dynamic_sampling/groups_without_spread"] == GROUPS
    assert trainer.scored[0]["advantages"].tolist() == [0.0] * GROUP * GROUPS


def test_a_process_that_holds_part_of_a_group_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    trainer = make(Grpo, tiny_model, tmp_path)
    trainer.num_generations = 3
    with pytest.raises(RecodeError, match=r"steps_per_generation \(8\) must be a multiple of num_generations \(3\)"):
        trainer._check()


def test_a_penalty_within_the_rewards_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(RecodeError, match="beta=0"):
        make(Rloo, tiny_model, tmp_path, beta=0.05)


def test_a_stream_of_rows_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    trainer = make(Grpo, tiny_model, tmp_path)
    trainer.train_dataset = Dataset.from_list([{"prompt": "x"}]).to_iterable_dataset()
    with pytest.raises(RecodeError, match="IterableDataset"):
        trainer._check()


DRAWN = Drawn(
    ([[1], [2], [3], [4]], [[5], [6], [7], [8]], None, ["a", "b", "c", "d"], [], {"extra": [5, 6, 7, 8], "same": 1}, None, []),
    torch.arange(4.0)[:, None],
    {"column": [1, 2, 3, 4]},
)  # fmt: skip


def test_a_part_is_one_groups_share_of_every_value() -> None:
    part = DRAWN.part(slice(2, 4))
    assert part.values == ([[3], [4]], [[7], [8]], None, ["c", "d"], [], {"extra": [7, 8], "same": 1}, None, [])
    assert (part.terms.tolist(), part.extra_logs) == ([[2.0], [3.0]], {"column": [3, 4]})


def test_parts_join_to_the_whole_in_any_order() -> None:
    parts = [DRAWN.part(slice(i, i + 2)) for i in (0, 2)]
    assert Drawn.join(parts).values == DRAWN.values
    swapped = Drawn.join(parts[::-1])
    assert (swapped.prompt_ids, swapped.completions) == ([[3], [4], [1], [2]], ["c", "d", "a", "b"])
    assert swapped.extra_logs == {"column": [3, 4, 1, 2]}
    assert swapped.terms.tolist() == [[2.0], [3.0], [0.0], [1.0]]


def test_a_part_without_a_value_that_others_have_gets_empty_places() -> None:
    with_images = Drawn((*DRAWN.values[:6], ["i", "j", "k", "l"], []), DRAWN.terms, {})
    joined = Drawn.join([DRAWN.part(slice(0, 2)), with_images.part(slice(2, 4))])
    assert joined.values[6] == [None, None, "k", "l"]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            GRPOTrainer,
            "prompt_ids, completion_ids, tool_mask, completions, logprobs, extra_fields, images, tool_images",
        ),
        (RLOOTrainer, "prompt_ids, completion_ids, completions"),
    ],
)
def test_the_tuples_are_those_that_trl_returns(kind: type[Any], names: str) -> None:
    assert inspect.getsource(kind._generate).rpartition("return ")[2].strip() == names


def run(command: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=900, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_processes_train_one_model_on_their_own_groups(tiny_model: Path, tmp_path: Path) -> None:
    # On a CPU `accelerate launch` leaves starting several processes to MPI; torchrun sets the same variables.
    script = Path(__file__).with_name("plain_trainer.py")
    run(
        [
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            "2",
            str(script),
            str(tiny_model),
            str(tmp_path),
        ]
    )
    first, second = (json.loads((tmp_path / f"process-{place}.json").read_text()) for place in (0, 1))
    assert first["weights"] == second["weights"]
    assert len(first["log"]) == 3
    for row, ours, theirs in zip(first["log"], first["groups"], second["groups"], strict=True):
        assert ours != theirs
        assert row["dynamic_sampling/groups_without_spread"] == 0
        used = 2 * GROUPS
        assert (
            row["dynamic_sampling/groups_generated"]
            == used + row["dynamic_sampling/groups_dropped"] + row["dynamic_sampling/groups_surplus"]
        )
    for said in (first, second):
        for (numbers, rewards), advantages in zip(said["groups"], said["advantages"], strict=True):
            assert all(len(set(numbers[start : start + GROUP])) == 1 for start in range(0, len(numbers), GROUP))
            assert all(len(set(group)) == 2 for group in groups_of(rewards))
            assert all(advantages)


@pytest.mark.slow
def test_the_example_learns_more_with_dynamic_sampling_than_without() -> None:
    learned = []
    for options in ([], ["--plain"]):
        last = run([str(EXAMPLE), "--steps", "40", *options]).splitlines()[-1]
        found = re.match(r"(\d+) of 16 letters", last)
        assert found, last
        learned.append(int(found[1]))
    assert learned[0] > learned[1]
