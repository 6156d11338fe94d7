from __future__ import annotations

import json
from pathlib import Path

import pytest

from recode.cli.dataset import run_infer
from recode.collect.texts.package_index import releases_before
from recode.dataset.verify.entries import VerifyOptions, verify_files
from recode.dataset.verify.old_release import infer_file
from recode.errors import RecordError
from recode.records import Migration, read_records
from recode.sandbox.levels import try_level
from tests.toy_releases import Index

OLD = "import toymath\n\nvalues = [1.5, 2.0, 4.5]\nprint(toymath.total(values, scale=3))\n"
RECORD = {
    "dependency": "toymath",
    "new_version": "==2.0",
    "description": "A parameter has a new name.",
    "update_info": "The parameter `scale` of `toymath.total` is now `factor`.",
    "old_code": OLD,
    "new_code": OLD.replace("scale=", "factor="),
}


needs_isolation = pytest.mark.skipif(
    not (try_level("isolated").holds or try_level("reduced").holds), reason="this machine gives no sandbox"
)


@needs_isolation
def test_the_release_before_is_found_and_the_entry_verified(toy_releases: Index, tmp_path: Path) -> None:
    wrong = {**RECORD, "new_code": OLD.replace("scale=3", "factor=4")}
    unknown = {**RECORD, "dependency": "nowhere"}
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (RECORD, wrong, unknown)), encoding="utf-8")
    assert not infer_file(path, tmp_path / "out.jsonl", VerifyOptions(tmp_path / "locks")).all_hold
    (entry,) = read_records(tmp_path / "out.jsonl", Migration)
    assert entry.old_version == releases_before("toymath", "2.0")[0]
    assert entry.stdout == "24.0\n"
    assert entry.locks is not None
    assert entry.old_on_new is not None
    assert entry.old_on_new.outcome == "raises"
    assert all(one.admission.holds for one in verify_files([tmp_path / "out.jsonl"], VerifyOptions(tmp_path / "locks")))


def test_where_nothing_could_be_run_the_file_is_kept(
    toy_releases: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECODE_INDEX", toy_releases.url + "/nothing/here")
    path, out = tmp_path / "set.jsonl", tmp_path / "out.jsonl"
    path.write_text(json.dumps(RECORD) + "\n", encoding="utf-8")
    out.write_text("old\n", encoding="utf-8")
    assert not run_infer(path, out, VerifyOptions(tmp_path / "locks"))
    assert out.read_text(encoding="utf-8") == "old\n"
    assert "its previous content is kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("field", "value"),
    [("dependency", "toymath[all]"), ("dependency", "toymath\n-r /etc/passwd"), ("new_version", "==2.0 ; marker")],
)
def test_what_is_no_name_or_version_is_named(tmp_path: Path, field: str, value: str) -> None:
    path, out = tmp_path / "set.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (RECORD, {**RECORD, field: value})), encoding="utf-8")
    out.write_text("old\n", encoding="utf-8")
    with pytest.raises(RecordError, match=rf"set\.jsonl:2: field `{field}`: "):
        infer_file(path, out, VerifyOptions(tmp_path / "locks"))
    assert out.read_text(encoding="utf-8") == "old\n"


def test_without_infer_the_published_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(RECORD) + "\n", encoding="utf-8")
    with pytest.raises(RecordError, match="add --infer"):
        verify_files([path], VerifyOptions(tmp_path))
