from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recode.dataset.exports import SPLITS, export
from recode.errors import RecordError
from recode.prompts import response
from recode.records import Migration, write_records, write_text
from recode.rewards import compute_score

MakeEntry = Callable[..., Migration]


@pytest.fixture
def data(tmp_path: Path, make_entry: MakeEntry) -> Path:
    folder = tmp_path / "data"
    evidence = [{"source": "docstring", "package_version": "1.5", "file": "a.py", "line": 3, "quote": "use surface"}]
    entries = [make_entry(), make_entry(id="toylib-area-2", evidence=evidence, locks=("a", "b"), stdout="3\n")]
    write_records(folder / "train.jsonl", entries)
    write_records(folder / "validation.jsonl", entries[:1])
    write_text(folder / "README.md", "---\nlicense: apache-2.0\nconfigs:\n  - config_name: old\n---\n# Card\n")
    return folder


def test_the_published_form_has_its_six_fields(data: Path, tmp_path: Path) -> None:
    assert export(data, tmp_path / "out", "recode") == {"train.jsonl": 2, "validation.jsonl": 1}
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text().splitlines()[0])
    assert sorted(row) == ["dependency", "description", "new_code", "new_version", "old_code", "update_info"]
    assert row["new_version"] == "==2.0"


def test_the_data_set_is_not_overwritten_by_another_form(data: Path, tmp_path: Path) -> None:
    before = (data / "train.jsonl").read_bytes()
    (tmp_path / "link").symlink_to(data)
    with pytest.raises(RecordError, match="the data set's own folder"):
        export(data, tmp_path / "link", "recode")
    assert (data / "train.jsonl").read_bytes() == before


def test_every_split_is_written(data: Path, tmp_path: Path, make_entry: MakeEntry) -> None:
    for name in SPLITS:
        write_records(data / f"{name}.jsonl", [make_entry()])
    assert {path.name for path in data.glob("*.jsonl")} >= {"no_op_generated.jsonl", "test_generated.jsonl"}
    assert len(export(data, tmp_path / "out", "recode")) == len(SPLITS) == 14


def test_an_empty_split_is_not_on_the_card(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (data / "no_op.jsonl").write_text("")
    assert "no_op.parquet" not in export(data, tmp_path / "out", "hf")
    assert "no_op" not in (tmp_path / "out" / "README.md").read_text()


def test_the_datasets_library_loads_the_folder(data: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    export(data, tmp_path / "out", "hf")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 2, "validation": 1}
    assert loaded["train"][1]["evidence"][0]["quote"] == "use surface"
    assert (tmp_path / "out" / "README.md").read_text().endswith("---\n# Card\n")


def test_rows_for_verl_are_scored_by_our_reward_function(data: Path, tmp_path: Path, make_entry: MakeEntry) -> None:
    datasets = pytest.importorskip("datasets")
    write_records(data / "validation.jsonl", [make_entry(), make_entry(id="none", new_code="def (\n")])
    assert export(data, tmp_path / "out", "verl")["validation.parquet"] == 1
    row = datasets.Dataset.from_parquet(str(tmp_path / "out" / "train.parquet"), cache_dir=str(tmp_path / "cache"))[0]
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    gold = row["reward_model"]["ground_truth"]
    best = compute_score(row["data_source"], response("so", gold), gold, row["extra_info"])
    copied = compute_score(row["data_source"], response("so", row["extra_info"]["old_code"]), gold, row["extra_info"])
    assert best["exact"] == 2.0
    assert copied["lift"] == 0.0
    assert row["extra_info"]["split"] == "train"


def test_a_folder_without_a_split_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="holds no split"):
        export(tmp_path, tmp_path / "out", "recode")
