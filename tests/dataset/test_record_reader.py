from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recode.dataset.record_reader import is_published, read_published, read_recorded
from recode.errors import RecordError
from recode.records import Migration, write_records
from recode.symbol import Symbol

RECORD = {
    "dependency": "toylib",
    "new_version": "==2.0",
    "description": "The area has a new name.",
    "update_info": "`toylib.area` is now `toylib.surface`.",
    "old_code": "import toylib\n\nsides = [1.5, 2.0]\nprint(toylib.area(sides))",
    "new_code": "import toylib\n\nsides = [1.5, 2.0]\nprint(toylib.surface(sides))",
}


def entry(author: str) -> Migration:
    return Migration(
        id="lib-f-1", family_id="lib-f", library="lib-dist", old_version="1.0", new_version="2.0", kind="renamed",
        old_symbol="lib.f(x)", new_symbol="lib.g(x)", description="", update_info="", old_code="import lib\n", new_code="import lib\n",
        author=author,
    )  # fmt: skip


def test_recorded_entries_get_their_locked_requirements(tmp_path: Path) -> None:
    (tmp_path / "lib-dist-1.0.txt").write_text(
        "# Python 3.11: lib-dist==1.0 numpy==1.26.4\nlib-dist==1.0\n", encoding="utf-8"
    )
    write_records(tmp_path / "data.jsonl", [entry("person")])
    (candidate,) = read_recorded(tmp_path / "data.jsonl", tmp_path)
    assert candidate.releases.import_name == "lib"
    assert candidate.releases.old_requires == ("numpy==1.26.4",)
    assert candidate.releases.new_requires == ()


def test_made_up_entries_cannot_be_run(tmp_path: Path) -> None:
    write_records(tmp_path / "data.jsonl", [entry("generator")])
    with pytest.raises(RecordError, match=r"lib-f-1.*made up"):
        read_recorded(tmp_path / "data.jsonl", tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("old_symbol", Symbol()), ("old_version", ""), ("library", "")],
)
def test_what_cannot_be_run_names_entry_and_field(tmp_path: Path, field: str, value: str) -> None:
    write_records(tmp_path / "data.jsonl", [entry("person"), entry("person").model_copy(update={field: value})])
    with pytest.raises(RecordError, match=rf"data\.jsonl: entry 2 \(`lib-f-1`\): field `{field}`"):
        read_recorded(tmp_path / "data.jsonl", tmp_path)


@pytest.mark.parametrize(("field", "value"), [("old_symbol", "nx.a / nx.b"), ("new_symbol", "a-b")])
def test_a_symbol_outside_the_notation_names_line_and_field(tmp_path: Path, field: str, value: str) -> None:
    write_records(tmp_path / "data.jsonl", [entry("person").model_copy(update={field: value})])
    with pytest.raises(RecordError, match=rf"data\.jsonl:1: field `{field}`: .*not a dotted path"):
        read_recorded(tmp_path / "data.jsonl", tmp_path)


def write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_published_records_become_unverified_entries(tmp_path: Path) -> None:
    path = write(tmp_path / "set.jsonl", RECORD, RECORD, {**RECORD, "update_info": "Another note."})
    first, second, third = read_published(path)
    assert (first.library, first.new_version, first.old_version) == ("toylib", "2.0", "")
    assert (first.kind, first.old_symbol, first.new_symbol) == ("renamed", "toylib.area", "toylib.surface")
    assert first.stdout is first.locks is None
    assert first.family_id == second.family_id != third.family_id
    assert len({first.id, second.id, third.id}) == 3
    assert is_published(path)
    assert first.published()["old_code"] == RECORD["old_code"] + "\n"


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "set.jsonl", RECORD, {**RECORD, "old_code": ""})
    with pytest.raises(RecordError, match=r"set.jsonl:2: field `old_code`"):
        read_published(path)
