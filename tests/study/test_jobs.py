"""A study's parts in several processes: the same figures as in one, an arm after the arm that it starts from, one clear error."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from recode.cli.study import run
from recode.errors import RecodeError
from recode.study import jobs
from recode.study.arms import StudyFolders
from recode.study.jobs import Part, parts_of
from recode.study.run import StudyOptions
from recode.study.tables import read_tables

TABLE = """
title = "Side by side"
asks = "Does it run?"
against = "base"
seeds = [1, 2]
columns = ["test_generated edit"]
limit = {{ test_generated = 2 }}

[arms]
second = {{ recipe = "{recipe}", after = "first" }}
first = {{ recipe = "{recipe}", change = {{ "optimization.steps" = 3 }} }}
base = {{ model = "{model}" }}
"""


@pytest.fixture
def place(sft_recipe: Callable[..., Path], tiny_model: Path, tmp_path: Path) -> Iterator[StudyFolders]:
    """A folder with data, a recipe and a table whose second arm starts from its first."""
    (tmp_path / "tables").mkdir()
    table = TABLE.format(recipe=sft_recipe(), model=tiny_model)
    (tmp_path / "tables" / "table.toml").write_text(table, encoding="utf-8")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield StudyFolders(tmp_path / "out", tmp_path / "data")
    torch.set_num_threads(threads)


def study(place: StudyFolders, out: Path, count: int) -> str:
    run(StudyOptions(StudyFolders(out, place.data), place.out.parent / "tables", jobs=count))
    text = (out / "table.md").read_text(encoding="utf-8")
    # Without the minutes, which are the last cell.
    return "\n".join(line.rsplit("|", 2)[0] for line in text.splitlines())


@pytest.mark.slow
def test_two_jobs_give_what_one_of_a_single_thread_gives(place: StudyFolders, capsys: Any) -> None:
    assert study(place, place.out, 2) == study(place, place.out.with_name("alone"), 1)
    printed = capsys.readouterr().err
    assert "5/5 table: " in printed
    weights = [
        sorted(path.read_bytes() for path in out.glob("models/*/model/model.safetensors"))
        for out in (place.out, place.out.with_name("alone"))
    ]
    assert len(weights[0]) == 4
    assert weights[0] == weights[1]


def test_what_fails_in_a_process_is_one_error_and_ends_the_others(
    place: StudyFolders, sft_recipe: Callable[..., Path]
) -> None:
    sft_recipe("max_prompt_tokens = 1\n")
    with pytest.raises(RecodeError, match="max_prompt_tokens"):
        run(StudyOptions(place, place.out.parent / "tables", jobs=2))
    assert not multiprocessing.active_children()
    assert not (place.out / "table.md").exists()


def test_a_part_waits_for_the_model_that_it_starts_from_and_for_one_at_work(place: StudyFolders) -> None:
    table = read_tables(place.out.parent / "tables", [])["table"]
    parts = parts_of("table", table, place)
    assert [(part.arm, part.seed) for part in parts] == [
        ("base", 1), ("second", 1), ("first", 1), ("second", 2), ("first", 2)
    ]  # fmt: skip
    chosen = jobs._ready(parts, [], 8)
    assert [(part.arm, part.seed) for part in chosen] == [("base", 1), ("first", 1), ("first", 2)]
    assert jobs._ready(parts, [], 1) == [parts[0]]
    assert jobs._ready([parts[2]], [parts[2]], 8) == []
    # Nobody else will make it: the part does so itself.
    assert jobs._ready([parts[1]], [], 8) == [parts[1]]


def test_a_part_is_called_by_table_arm_and_seed(place: StudyFolders) -> None:
    table = read_tables(place.out.parent / "tables", [])["table"]
    assert str(Part("table", table, "first", 2, "model", None)) == "table: first, seed 2"
