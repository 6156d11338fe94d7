from __future__ import annotations

from pathlib import Path

import pytest

from recode.dataset.recorded import read_recorded
from recode.errors import RecordError
from recode.records import Migration, write_records
from recode.symbol import Symbol


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
