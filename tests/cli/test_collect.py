"""`recode collect` on toy releases: its output, its files, and that a failing library does not stop the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recode.cli.collect import run_collect
from recode.collect.collector import parse_requests
from recode.collect.join.families import UpdateFamily
from recode.records import read_records
from tests.toy_releases import Index


def test_one_library_does_not_stop_the_others(
    toy_releases: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    requests = parse_requests(["toybroken:1.0..2.0", "toymath:1.0..2.0"], None, None)
    assert not run_collect(requests, None, out, as_json=True)
    printed = capsys.readouterr()
    assert printed.err.strip().startswith("toybroken: toybroken 1.0: cannot be imported")
    assert [one["library"] for one in json.loads(printed.out)] == ["toymath"]
    assert len(read_records(out, UpdateFamily)) == len(json.loads(printed.out)[0]["findings"])


def test_where_no_library_could_be_examined_the_file_is_kept(
    toy_releases: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    out.write_text("{}\n")
    assert not run_collect(parse_requests(["toybroken"], "1.0", "2.0"), None, out, as_json=False)
    assert out.read_text() == "{}\n"
    assert "found.jsonl: not written, what it holds is kept" in capsys.readouterr().err


def test_the_table_names_kind_old_and_new(
    toy_releases: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    assert run_collect(parse_requests(["toymath"], "1.0", "2.0"), None, None, as_json=False)
    printed = capsys.readouterr().out
    assert "toymath 1.0 → 2.0" in printed
    assert any("parameter_renamed" in line and "toymath.total(factor)" in line for line in printed.splitlines())
