"""A recipe of two steps on four made-up entries, with its data."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from recode.invent import generate, generate_no_ops
from recode.records import write_records

RECIPE = """
method = "sft"
model = "{model}"

[data]
migrations = ["{data}/train.jsonl"]
no_ops = ["{data}/no_op_train.jsonl"]
{more}
[optimization]
steps = 2
learning_rate = 1e-2
examples_per_step = 2
examples_at_once = 2
"""


@pytest.fixture
def sft_recipe(tiny_model: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return what writes the recipe, with more lines for its data where they are given, and returns its path; the entries are in `data`."""
    data = tmp_path / "data"
    for name in ("train", "test_generated"):
        write_records(data / f"{name}.jsonl", itertools.islice(generate(1), 4))
    write_records(data / "no_op_train.jsonl", itertools.islice(generate_no_ops(1), 2))

    def write(more: str = "") -> Path:
        recipe = data / "sft.toml"
        recipe.write_text(RECIPE.format(model=tiny_model, data=data, more=more), encoding="utf-8")
        return recipe

    return write
