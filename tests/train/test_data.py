"""Which prompts a run trains on, and in which order."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import recode.train.data as train
from recode.errors import RecipeError
from recode.invent import generate_no_ops
from recode.models import load
from recode.prompts import parse_response
from recode.records import write_records
from recode.train.data import Prompts, load_prompts, plan
from recode.train.recipes import RewardTerms, TrainingData


def numbered(migrations: int, no_ops: int) -> Prompts:
    return Prompts([{"id": f"m{n}"} for n in range(migrations)], [{"id": f"n{n}"} for n in range(no_ops)], 0)


def ids(rows: list[dict[str, Any]], kind: str) -> list[str]:
    return [row["id"] for row in rows if row["id"].startswith(kind)]


@pytest.mark.parametrize(("per_step", "share"), [(8, 0.25), (4, 0.3), (3, 0.1), (5, 0.0), (2, 1.0)])
def test_every_beginning_of_a_run_has_the_share_of_no_ops(per_step: int, share: float) -> None:
    rows = plan(numbered(11, 5), 40, per_step, share, 1)
    assert len(rows) == 40 * per_step
    for step in range(1, 41):
        count = len(ids(rows[: step * per_step], "n"))
        assert abs(count - step * per_step * share) < 1 + 1e-9


def test_all_entries_are_seen_before_any_is_seen_again() -> None:
    rows = plan(numbered(11, 5), 40, 4, 0.25, 1)
    for kind, entries in (("m", 11), ("n", 5)):
        for step in range(1, 41):
            seen = Counter(ids(rows[: step * 4], kind))
            assert max(seen.values(), default=0) - (min(seen.values()) if len(seen) == entries else 0) <= 1


def test_a_plan_depends_on_its_arguments_alone() -> None:
    prompts = numbered(11, 5)
    assert plan(prompts, 10, 4, 0.25, 1) == plan(prompts, 10, 4, 0.25, 1)
    assert plan(prompts, 10, 4, 0.25, 1) != plan(prompts, 10, 4, 0.25, 2)


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    prompts = numbered(11, 5)
    assert plan(prompts, 20, 4, 0.25, 1)[:40] == plan(prompts, 10, 4, 0.25, 1)


def test_without_no_ops_all_rows_are_migrations() -> None:
    assert len(ids(plan(numbered(3, 0), 4, 5, 0.25, 1), "m")) == 20


def test_rows_hold_prompt_and_gold(tiny_model: Path, data: dict[str, Any]) -> None:
    prompts = load_prompts(TrainingData(**data, generated=6), load(tiny_model)[1], 1)
    assert (len(prompts.migrations), len(prompts.no_ops), prompts.skipped) == (12 + 6, 4 + 2, 0)
    for row in prompts.migrations + prompts.no_ops:
        assert row["prompt"].endswith("<think>")
        assert row["old_code"].rstrip() in row["prompt"]
        gold = parse_response(row["gold"])
        assert gold.well_formed
        assert (gold.code or "").rstrip() == row["target"].rstrip()
        assert row["copy"] <= 3.0
    assert all(row["old_code"] == row["target"] and row["copy"] == 3.0 for row in prompts.no_ops)


def test_prompts_that_are_too_long_are_left_out_and_counted(tiny_model: Path, data: dict[str, Any]) -> None:
    tokenizer = load(tiny_model)[1]
    rows = load_prompts(TrainingData(**data), tokenizer, 1).migrations
    lengths = sorted(len(tokenizer(row["prompt"])["input_ids"]) for row in rows)
    settings = {**data, "no_op_share": 0.0, "no_ops": (), "max_prompt_tokens": lengths[5]}
    prompts = load_prompts(TrainingData(**settings), tokenizer, 1)
    assert (len(prompts.migrations), prompts.skipped) == (6, 6)


@pytest.mark.parametrize(
    ("changes", "message"), [({"max_prompt_tokens": 1}, "no entry to train on"), ({"no_ops": ()}, "no_op_share")]
)
def test_nothing_to_train_on_is_an_error(
    changes: dict[str, Any], message: str, tiny_model: Path, data: dict[str, Any]
) -> None:
    with pytest.raises(RecipeError, match=message):
        load_prompts(TrainingData(**{**data, **changes}), load(tiny_model)[1], 1)


def test_what_copying_earns_is_told_with_execution(tiny_model: Path, data: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run = {"stdout": "1\n", "locks": ("a" * 64, "b" * 64)}
    write_records(path, [entry.model_copy(update=run) for entry in itertools.islice(generate_no_ops(1), 2)])
    reward = RewardTerms(weights={"format": 1.0, "execution": 2.0})  # type: ignore[dict-item]
    settings = TrainingData(**{**data, "no_ops": (*data["no_ops"], str(path))})
    prompts = load_prompts(settings, load(tiny_model)[1], 1, reward)
    assert {row["copy"] for row in prompts.migrations} == {1.0}
    # Entries that cannot be run get no score from it.
    assert {(row["copy"], row["stdout"]) for row in prompts.no_ops} == {(1.0, None), (3.0, "1\n")}


def test_the_weights_of_levels_decide_which_note_a_prompt_shows(tiny_model: Path) -> None:
    tokenizer = load(tiny_model)[1]
    settings: dict[str, Any] = {"migrations": ("data/validation.jsonl",), "no_ops": (), "no_op_share": 0.0}

    def prompts(**notes: float) -> list[dict[str, Any]]:
        return load_prompts(TrainingData(**settings, notes=notes), tokenizer, 1).migrations

    tailored = load_prompts(TrainingData(**settings), tokenizer, 1).migrations
    assert prompts(tailored=2.0) == tailored
    known = {row["id"]: row["prompt"] for row in tailored}
    mixed = prompts(tailored=1.0, none=1.0)
    assert [row["id"] for row in mixed] == list(known)
    kept = sum(row["prompt"] == known[row["id"]] for row in mixed)
    assert len(mixed) / 4 < kept < 3 * len(mixed) / 4
    assert prompts(tailored=1.0, none=1.0) == mixed, "a run sees each entry at one level"
    assert 0 < len(prompts(section=1.0)) < len(tailored), "entries without a section are skipped"


def test_two_parts_have_no_family_in_common_and_make_the_whole() -> None:
    parts = [train._read(["data/train.jsonl"], part) for part in ((0.0, 0.5), (0.5, 1.0), (0.0, 1.0))]
    families = [{entry.family_id for entry in part} for part in parts]
    assert not families[0] & families[1]
    assert families[0] | families[1] == families[2]
    assert 0.4 < len(families[0]) / len(families[2]) < 0.6


@pytest.mark.parametrize("thoughts", ["none", "quote", "edits"])
def test_a_warm_up_mixes_retold_entries_and_hard_no_ops(tiny_model: Path, thoughts: Any) -> None:
    data = TrainingData(
        migrations=("data/train.jsonl",), no_ops=(), part=(0.0, 0.05), retold=6, hard_no_ops=9, thoughts=thoughts, max_prompt_tokens=5000
    )  # fmt: skip
    tokenizer = load(tiny_model)[1]
    prompts = load_prompts(data, tokenizer, 1)
    assert len(ids(prompts.migrations, "retold-")) == 6
    assert len(prompts.no_ops) == 9
    for row in [*prompts.migrations, *prompts.no_ops]:
        answer = parse_response(row["gold"])
        assert answer.well_formed
        assert (answer.code or "").rstrip() == row["target"].rstrip()
        assert bool(answer.thought.strip()) == (thoughts != "none")
    lengths = sorted(
        len(tokenizer(row["prompt"] + row["gold"])["input_ids"]) for row in [*prompts.migrations, *prompts.no_ops]
    )
    shorter = load_prompts(data.model_copy(update={"max_example_tokens": lengths[-4]}), tokenizer, 1)
    assert prompts.skipped < shorter.skipped <= prompts.skipped + 4
