"""`recode study` with a random model and two steps an arm: every kind of column, nothing done twice, a kill survived."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recode.cli.app import app
from recode.cli.study import run
from recode.errors import RecodeError
from recode.evaluate.reports.quickstart import pyplot
from recode.invent import generate, generate_no_ops
from recode.records import write_records
from recode.study import arms, plots
from recode.study import run as command
from recode.study.arms import StudyFolders
from recode.study.rows import rows_of
from recode.study.run import StudyOptions
from recode.study.tables import read_tables

RECIPE = """
method = "{method}"
model = "{model}"

[data]
migrations = ["{data}/train.jsonl"]
no_ops = ["{data}/no_op_train.jsonl"]

[optimization]
steps = 2
learning_rate = 1e-3
"""
SFT = "examples_per_step = 2\nexamples_at_once = 2\n"
GRPO = "[rollout]\nprompts_per_step = 2\nsamples_per_prompt = 2\nmax_new_tokens = 6\n"
TABLE = """
title = "All of it"
asks = "Does it run?"
against = "base"
seeds = [1, 2]
samples = 2
columns = ["test_generated exact", "test_generated exact@2", "no_op copy", "test_generated paper_reward",
  "test_generated progress_reward", "python_loss"]
limit = {{ test_generated = 3 }}
plot = "{plot}"

[arms]
grpo = {{ recipe = "{recipes}/grpo.toml" }}
base = {{ model = "{model}" }}
thought = {{ model = "{model}", thinker = "{model}" }}
broken = {{ recipe = "{recipes}/sft.toml", pool = {{ entries = 2, spoiled = 0.5 }} }}
"""


@pytest.fixture
def place(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolders:
    """A folder with data, recipes and tables; completions are short."""
    data, tables = tmp_path / "data", tmp_path / "tables"
    for number, name in enumerate(("train", "test_generated")):
        write_records(data / f"{name}.jsonl", itertools.islice(generate(number), 4))
    for number, name in enumerate(("no_op_train", "no_op", "no_op_generated")):
        write_records(data / f"{name}.jsonl", itertools.islice(generate_no_ops(number), 2))
    (tmp_path / "recipes").mkdir()
    for method, more in (("sft", SFT), ("grpo", GRPO)):
        text = RECIPE.format(method=method, model=tiny_model, data=data) + more
        (tmp_path / "recipes" / f"{method}.toml").write_text(text, encoding="utf-8")
    tables.mkdir()
    for plot in ("intervals", "scatter", "curves"):
        text = TABLE.format(plot=plot, recipes=tmp_path / "recipes", model=tiny_model)
        (tables / f"{plot}.toml").write_text(text, encoding="utf-8")
    options = arms.EvaluationOptions
    monkeypatch.setattr(arms, "EvaluationOptions", lambda **more: options(**more, max_tokens=6))
    monkeypatch.setattr(arms, "held_out_python", lambda: ("x = 1\n", "def f():\n    return 2\n"))
    return StudyFolders(tmp_path / "out", data)


def study(place: StudyFolders, name: str, **more: Any) -> None:
    # Here and not in processes of their own, to which what a test replaces does not reach.
    run(StudyOptions(place, place.out.parent / "tables", [name], jobs=1), **more)


def test_a_table_runs_once_and_is_written(place: StudyFolders, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    study(place, "intervals")
    text = (place.out / "intervals.md").read_text(encoding="utf-8")
    assert "recode study intervals" in text
    assert "| grpo (2 seeds) |" in text
    assert "test_generated exact (n = 3)" in text
    assert "no_op copy (n = 4)" in text
    assert (place.out / "intervals.png").stat().st_size > 5_000
    rows = {row.name: row for row in rows_of(read_tables(place.out.parent / "tables", [])["intervals"], place)}
    assert list(rows) == ["base", "grpo", "thought", "broken"]
    assert all(cell.mean is not None and cell.n > 0 for row in rows.values() for cell in row.cells.values())
    assert rows["base"].cells["test_generated exact"].change is None
    assert rows["grpo"].minutes
    low, mean, high = rows["grpo"].cells["test_generated paper_reward"].change or (1, 0, 0)
    assert low <= mean <= high
    trained = sorted(
        path.name.split("-")[0] for path in (place.out / "models").iterdir() if (path / "result.json").exists()
    )
    assert trained == ["grpo", "grpo", "sft", "sft"]

    # The other tables have the same arms: all is there, and they are written without a model.
    for name in ("evaluate_on", "python_loss"):
        monkeypatch.setattr(arms, name, None)
    for other in ("scatter", "curves"):
        study(place, other)
        assert (place.out / f"{other}.png").stat().st_size > 5_000


@pytest.mark.slow
def test_what_was_killed_goes_on(place: StudyFolders, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    evaluate_on, calls = arms.evaluate_on, []

    def dies(*given: Any) -> Any:
        calls.append(given[0].out)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return evaluate_on(*given)

    monkeypatch.setattr(arms, "evaluate_on", dies)
    with pytest.raises(KeyboardInterrupt):
        study(place, "intervals")
    study(place, "intervals", finished=True)
    assert "not finished; run `recode study intervals`" in capsys.readouterr().out
    assert not (place.out / "intervals.md").exists()
    study(place, "intervals")
    # Only the evaluation that broke off was asked for again.
    assert len(calls) == len(set(calls)) + 1
    assert (place.out / "intervals.md").exists()


def test_a_wrong_recipe_is_found_before_anything_runs(place: StudyFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run_part", None)
    path = place.out.parent / "tables" / "intervals.toml"
    path.write_text(
        path.read_text().replace('grpo.toml"', 'grpo.toml", change = { "loss.klip" = 1 }'), encoding="utf-8"
    )
    with pytest.raises(RecodeError, match=r"grpo.toml: unknown key `loss.klip`; did you mean"):
        study(place, "intervals")


def test_a_wrong_table_of_spread_is_found_before_anything_runs(
    place: StudyFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "run_part", None)
    folder = place.out.parent / "tables"
    text = (folder / "intervals.toml").read_text(encoding="utf-8")
    (folder / "intervals.toml").write_text(text.replace("plot =", 'spread = "scatter"\nplot ='), encoding="utf-8")
    (folder / "scatter.toml").write_text(text.replace("title =", "titel ="), encoding="utf-8")
    with pytest.raises(RecodeError, match=r"scatter.toml: `title`: Field required"):
        study(place, "intervals")


def test_a_pool_for_pretraining_is_refused(place: StudyFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run_part", None)
    path = place.out.parent / "tables" / "intervals.toml"
    text = path.read_text(encoding="utf-8").replace(
        f"{place.out.parent / 'recipes'}/sft.toml", "recipes/pretrain-able.toml"
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecodeError, match="arm `broken`: `pool` chooses among the entries"):
        study(place, "intervals")


def test_an_untrained_model_has_no_curve(place: StudyFolders, tiny_model: Path) -> None:
    # A log next to the model's folder is another run's.
    model = place.out.parent / "kept" / "model"
    shutil.copytree(tiny_model, model)
    (model.parent / "log.jsonl").write_text('{"step": 1, "exact": 0.5}\n', encoding="utf-8")
    table = read_tables(place.out.parent / "tables", ["curves"])["curves"]
    table = table.model_copy(update={"arms": {"base": table.arms["base"].model_copy(update={"model": str(model)})}})
    assert not plots._curves(pyplot(), table, place).axes[0].lines


def test_the_list_says_what_is_done(place: StudyFolders) -> None:
    long = "a-table-with-a-name-of-some-length"
    tables = place.out.parent / "tables"
    (tables / f"{long}.toml").write_text((tables / "curves.toml").read_text(encoding="utf-8"), encoding="utf-8")
    folders = ["--recipes", str(place.out.parent / "tables"), "--data", str(place.data), "--out", str(place.out)]
    done = CliRunner().invoke(app, ["study", "--list", *folders], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert f" {long} " in done.output
    assert "intervals" in done.output
    assert "Does it run?" in done.output


@pytest.mark.slow
def test_losses_are_kept_beside_the_model(place: StudyFolders) -> None:
    study(place, "intervals")
    for folder in (place.out / "models").iterdir():
        assert json.loads((folder / "python_loss.json").read_text())["n"] == 2
