"""How much runs differ widens the interval of an arm that has one: by Student's t, for its method alone, and it is said."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest

from recode.errors import RecipeError
from recode.evaluate.reports.comparison import arms_of, run_means
from recode.records import write_jsonl
from recode.study.arms import StudyFolders, evaluation_folder, prepare
from recode.study.markdown import markdown
from recode.study.rows import rows_of
from recode.study.spread import half_widths, t_quantile, widened
from recode.study.tables import StudyTable, read_tables

TABLE = """
title = "One run"
asks = "And another?"
against = "base"
columns = ["test_generated exact"]
{more}
[arms]
base = {{ model = "{model}" }}
sft = {{ recipe = "{recipe}"{change} }}
"""


@pytest.fixture
def place(sft_recipe: Callable[..., Path], tiny_model: Path, tmp_path: Path) -> StudyFolders:
    """A folder with a table of three seeds and one of a single seed, both evaluated on twenty items, without a model."""
    recipe, data = sft_recipe(), tmp_path / "data"
    changed = ', change = { "optimization.steps" = 3 }'
    for name, more, change in (("many", "seeds = [1, 2, 3]\n", ""), ("one", 'spread = "many"\n', changed)):
        text = TABLE.format(model=tiny_model, recipe=recipe, more=more, change=change)
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    place, rates = StudyFolders(tmp_path / "out", data), {"base": [2], "many": [10, 12, 17], "one": [11]}
    for name, table in read_tables(tmp_path, ["many", "one"]).items():
        _evaluated(table, "base", 1, rates["base"][0], place)
        for seed, right in zip(table.seeds, rates[name], strict=True):
            _evaluated(table, "sft", seed, right, place)
    return place


def _evaluated(table: StudyTable, arm: str, seed: int, right: int, place: StudyFolders, items: int = 20) -> None:
    prepared = prepare(table, arm, seed, place)
    folder = evaluation_folder(table, prepared, "test_generated", 1, place)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"benchmark": "test_generated", "id": f"i{n}", "family_id": f"f{n}", "outcome": "passed", "scores": {"exact": float(n < right)}}
        for n in range(items)
    ]  # fmt: skip
    write_jsonl(folder / "samples.jsonl", rows)
    (folder / "results.json").write_text(json.dumps({"test_generated": {}}), encoding="utf-8")
    (folder / "settings.json").write_text(json.dumps({"model": prepared.model}), encoding="utf-8")


def test_students_t() -> None:
    # A table's values for 95%, two-sided.
    for freedom, value in ((1, 12.706), (2, 4.303), (4, 2.776), (8, 2.306), (30, 2.042)):
        assert t_quantile(freedom) == pytest.approx(value, abs=0.0005)


def test_independent_chances_add_in_squares() -> None:
    assert widened((0.2, 0.6), 0.5, 0.4) == pytest.approx((0.0, 0.5 + math.hypot(0.1, 0.4)))
    assert widened((0.2, 0.6), 0.5) == (0.2, 0.6)


def test_one_run_is_as_uncertain_as_several_show(place: StudyFolders) -> None:
    tables = read_tables(place.out.parent, [])
    rows = {row.name: row for row in rows_of(tables["one"], place, tables["many"])}
    plain = {row.name: row for row in rows_of(tables["one"], place)}
    half = t_quantile(2) * stdev([10 / 20, 12 / 20, 17 / 20])
    low, mean, high = plain["sft"].cells["test_generated exact"].change or (0, 0, 0)
    wider = rows["sft"].cells["test_generated exact"].change
    assert wider == pytest.approx((mean - math.hypot(mean - low, half), mean, mean + math.hypot(high - mean, half)))
    assert rows["sft"].cells["test_generated exact"].interval == (0.0, 1.0)
    # An untrained model is the same in every run.
    assert rows["base"] == plain["base"]
    # Several seeds show their own spread.
    assert rows_of(tables["many"], place, tables["many"]) == rows_of(tables["many"], place)
    assert "widened by how much runs of a method differ in `many`." in _text(tables["one"], list(rows.values()))
    assert "covers items alone" in _text(tables["one"], list(plain.values()))
    by_seed = tables["one"].model_copy(update={"by_seed": True})
    assert "A row is one seed. " in _text(by_seed, list(plain.values()))
    assert "covers items alone" in _text(by_seed, list(plain.values()))
    # Without a fine-tuned arm there is nothing that another seed would change.
    assert "widened" not in _text(tables["one"], [rows["base"]])


def _text(table: StudyTable, rows: Any) -> str:
    return markdown("one", table, rows, "one.png").replace("\n", " ")


def test_nothing_is_known_of_items_or_runs_that_are_not_there(place: StudyFolders) -> None:
    many = read_tables(place.out.parent, [])["many"]
    items = [f"i{n}" for n in range(20)]
    assert set(half_widths(many, "test_generated exact", 1, items, place)) == {"sft"}
    assert half_widths(many, "test_generated exact", 8, items, place) == {}
    assert half_widths(many, "test_generated exact", 1, [*items, "another"], place) == {}
    assert half_widths(many, "python_loss", 1, items, place) == {}
    assert half_widths(None, "test_generated exact", 1, items, place) == {}
    folders = [evaluation_folder(many, prepare(many, "sft", s, place), "test_generated", 1, place) for s in many.seeds]
    arm = arms_of(("sft", folder) for folder in folders)[0]
    assert run_means(arm, "test_generated", "exact", items[:15]) == [10 / 15, 12 / 15, 1.0]
    (folders[0] / "results.json").unlink()
    assert half_widths(many, "test_generated exact", 1, items, place) == {}


def test_a_spread_must_name_a_table(place: StudyFolders) -> None:
    path = place.out.parent / "one.toml"
    path.write_text(path.read_text().replace('spread = "many"', 'spread = "meny"'), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"one.toml: `spread` names no table: `meny`; choose from many, one"):
        read_tables(place.out.parent, ["one"])


def test_what_is_in_no_rate_is_listed_under_the_table(place: StudyFolders) -> None:
    one = read_tables(place.out.parent, [])["one"]
    folder = evaluation_folder(one, prepare(one, "sft", 1, place), "test_generated", 1, place)
    (folder / "results.json").write_text(json.dumps({"test_generated": {"ungradable": 3}}), encoding="utf-8")
    assert "Not counted: sft, test_generated exact: 3 ungradable." in _text(one, rows_of(one, place))
    (folder / "results.json").write_text(json.dumps({"test_generated": {}}), encoding="utf-8")
    assert "Not counted" not in _text(one, rows_of(one, place))
