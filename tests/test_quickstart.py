"""The whole quickstart with a random model, a few entries and two steps an arm."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path

import pytest
from rich.progress import Progress

from recode import quickstart as module
from recode.cli.quickstart import quickstart_table, run_quickstart
from recode.errors import RecipeError, RecordError
from recode.evaluate.judging.migrations import evaluate
from recode.invent import generate, generate_no_ops
from recode.models import Sampling
from recode.quickstart import SPLITS, TRAINED, QuickstartSettings, quickstart, some
from recode.records import write_records, write_text

RECIPE = """
method = "{arm}"
model = "{model}"

[data]
migrations = ["{data}/train.jsonl"]
no_ops = ["{data}/no_op_train.jsonl"]

[optimization]
steps = 2
learning_rate = 1e-3
"""
TABLES = {
    "sft": "examples_per_step = 2\nexamples_at_once = 2\n",
    "grpo": "[rollout]\nprompts_per_step = 2\nsamples_per_prompt = 2\nmax_new_tokens = 6\n",
}
TABLES["dapo"] = TABLES["grpo"] + "[dynamic_sampling]\nenabled = true\nmax_batches = 2\n"


@pytest.fixture
def settings(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QuickstartSettings:
    data, recipes = tmp_path / "data", tmp_path / "recipes"
    for number, name in enumerate(("train", "test_generated", "test_updates", "test_libraries")):
        write_records(data / f"{name}.jsonl", itertools.islice(generate(number), 4))
    for number, name in enumerate(("no_op_train", "no_op", "no_op_generated")):
        write_records(data / f"{name}.jsonl", itertools.islice(generate_no_ops(number), 2))
    recipes.mkdir()
    for arm, more in TABLES.items():
        text = RECIPE.format(arm=arm, model=tiny_model, data=data) + more
        (recipes / f"{arm}.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "ARMS", dict.fromkeys(module.ARMS, str(tiny_model)))
    monkeypatch.setattr(module, "held_out_python", lambda: ("x = 1\n", "def f():\n    return 2\n"))
    monkeypatch.setattr(module, "evaluate", functools.partial(evaluate, sampling=Sampling(6, 0.0)))
    # What is patched here would not be in other processes.
    monkeypatch.setattr(module, "sensible", lambda: 1)
    return QuickstartSettings(tmp_path / "out", data, recipes, seed=5)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_it_runs_writes_its_report_and_does_nothing_twice(
    processes: int, settings: QuickstartSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "sensible_jobs", lambda: processes)
    run_quickstart(settings)
    report = json.loads((settings.out / "report.json").read_text(encoding="utf-8"))
    assert report.keys() == {"minutes", "seed", "reward", "arms", "delta"}
    assert report["reward"] == {"format": 1.0, "edit": 1.0}
    assert report["seed"] == 5
    assert report["minutes"] > 0
    assert list(report["arms"]) == ["able", "base", *TRAINED]
    for arm in report["arms"].values():
        assert arm.keys() == {*SPLITS, "forgetting"}
        assert arm["forgetting"]["python_loss"] > 0
        for split in SPLITS:
            assert {"exact", "edit", "reward", "copy", "n"} <= arm[split].keys()
            assert arm[split]["n"] == 4
    assert report["arms"]["able"] == report["arms"]["base"]
    assert report["delta"].keys() == set(TRAINED)
    for delta in report["delta"].values():
        assert delta.keys() == set(SPLITS)
        assert all(low <= mean <= high for values in delta.values() for low, mean, high in values.values())
    spent = json.loads((settings.out / "seconds.json").read_text(encoding="utf-8"))
    trained = {part for part in spent if part.startswith("train-")}
    assert trained == (
        {"train-sft", "train-grpo", "train-dapo"} if processes == 1 else {"train-sft", "train-grpo-dapo"}
    )
    assert (settings.out / "report.html").stat().st_size > 10_000
    assert len(quickstart_table(report).rows) == len(report["arms"])

    for name in ("evaluate", "load", "python_loss"):
        monkeypatch.setattr(module, name, None)
    again = quickstart(settings, Progress(disable=True))
    assert {**again, "minutes": 0} == {**report, "minutes": 0}
    with pytest.raises(RecipeError, match="other settings"):
        quickstart(QuickstartSettings(settings.out, settings.data, settings.recipes, seed=6), Progress(disable=True))


def test_real_splits_are_judged_in_part_and_made_up_ones_whole() -> None:
    made = list(itertools.islice(generate(0), 200))
    real = [entry.model_copy(update={"author": "person", "id": f"real-{i}"}) for i, entry in enumerate(made)]
    assert some(made) == made
    chosen = some([*real, *made])
    assert len(chosen) == 72 + 200
    assert [one.id for one in some(real[::-1])] == [one.id for one in chosen[:72]][::-1]


def test_a_run_is_not_gone_on_with_by_other_recipes(settings: QuickstartSettings) -> None:
    module._claim(settings)
    path = settings.recipes / "grpo.toml"
    path.write_text(path.read_text().replace("steps = 2", "steps = 3"), encoding="utf-8")
    # Nothing is done yet that it could spoil.
    module._claim(settings)
    write_text(settings.out / "seconds.json", "{}")
    path.write_text(path.read_text().replace("steps = 3", "steps = 2"), encoding="utf-8")
    with pytest.raises(RecipeError, match="other settings"):
        module._claim(settings)


def test_the_paper_s_family_is_not_reported_as_the_strict_one(settings: QuickstartSettings) -> None:
    for arm in ("grpo", "dapo"):
        path = settings.recipes / f"{arm}.toml"
        path.write_text(path.read_text() + '[reward]\nfamily = "paper"\n', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"`reward.family`: the report compares by the strict family"):
        quickstart(settings, Progress(disable=True))


def test_a_split_without_an_entry_is_told_before_anything_is_done(settings: QuickstartSettings) -> None:
    (settings.data / "test_libraries.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(RecordError, match=r"`test_libraries` \(test_libraries.jsonl\) holds no entry"):
        quickstart(settings, Progress(disable=True))


def test_policies_trained_on_different_rewards_are_not_compared(settings: QuickstartSettings) -> None:
    path = settings.recipes / "dapo.toml"
    path.write_text(path.read_text() + "[reward]\nweights = { format = 1.0, exact = 1.0 }\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="same"):
        quickstart(settings, Progress(disable=True))


def test_minutes_count_arms_trained_side_by_side_once_and_a_killed_one_by_its_log(settings: QuickstartSettings) -> None:
    for arm, seconds in zip(TRAINED, (60, 120, 90), strict=True):
        write_text(settings.out / arm / "result.json", json.dumps({"seconds": seconds}))
    for spent, minutes in (
        ({"able-no_op": 30, "train-sft": 60, "train-grpo-dapo": 150}, 4.0),
        ({"train-sft": 60, "train-grpo-dapo": 20}, 3.0),
        ({"train-sft": 60}, 4.5),
    ):
        write_text(settings.out / "seconds.json", json.dumps(spent))
        assert module._seconds(settings) == 60 * minutes
