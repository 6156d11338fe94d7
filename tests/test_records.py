from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recode import records
from recode.errors import RecordError
from recode.records import Evidence, Migration, OldOnNew, read_jsonl, read_records, write_records, write_text

ENTRY = Migration(
    id="numpy-trapz-1",
    family_id="numpy-trapz",
    library="numpy",
    old_version="1.26.4",
    new_version="2.4.6",
    kind="renamed",
    old_symbol="numpy.trapz",
    new_symbol="numpy.trapezoid",
    description="A new name.",
    update_info="Use `numpy.trapezoid` – die Fläche.",
    evidence=(Evidence(source="docstring", package_version="2.0.0", file="a.py", line=1, quote="q"),),
    old_code="print(1)\n",
    new_code="print(1)\n",
    stdout="1\n",
    old_on_new=OldOnNew(outcome="raises", category="AttributeError", message="m", line=1),
    locks=("a", "b"),
    author="person",
    author_means="wrote it for this test",
)


def test_records_come_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "data.jsonl"
    assert write_records(path, [ENTRY, ENTRY]) == 2
    assert read_records(path, Migration) == [ENTRY, ENTRY]
    assert "Fläche" in path.read_text(encoding="utf-8")


def test_the_published_fields() -> None:
    published = ENTRY.published()
    assert sorted(published) == ["dependency", "description", "new_code", "new_version", "old_code", "update_info"]
    assert published["new_version"] == "==2.4.6"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "redone"}, "kind"),
        ({"old_code": None}, "old_code"),
        ({"old_code": 1}, "old_code"),
        ({"colour": "red"}, "colour"),
        (
            {"evidence": [{"source": "docstring", "package_version": "1", "file": "f", "line": 0, "quote": "q"}]},
            "evidence.0.line",
        ),
        ({"locks": ["a"]}, "locks"),
    ],
)
def test_a_bad_record_names_file_line_and_field(tmp_path: Path, change: dict[str, object], field: str) -> None:
    path = tmp_path / "data.jsonl"
    good = ENTRY.model_dump(mode="json")
    path.write_text(json.dumps(good) + "\n\n" + json.dumps({**good, **change}) + "\n")
    with pytest.raises(RecordError) as caught:
        read_records(path, Migration)
    assert str(caught.value).startswith(f"{path}:3: field `{field}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{}\n{", "not valid JSON"), ("{}\n[1]\n", "a list where"), ("{}\n" + "[" * 100_000, "not valid JSON")],
)
def test_a_bad_line_names_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError, match=said) as caught:
        list(read_jsonl(path))
    assert str(caught.value).startswith(f"{path}:2: ")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"gone\.jsonl: cannot be read"):
        list(read_jsonl(tmp_path / "gone.jsonl"))
    (tmp_path / "latin.jsonl").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(RecordError, match="not UTF-8"):
        list(read_jsonl(tmp_path / "latin.jsonl"))


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.txt"
    write_text(path, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", fail)
    with pytest.raises(RecordError, match=r"data\.txt: cannot be written \(No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["data.txt"]


def test_written_files_have_usual_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        write_text(tmp_path / "data.txt", "x")
    finally:
        os.umask(mask)
    assert (tmp_path / "data.txt").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        write_text(tmp_path / "file" / "data.txt", "x")


def test_a_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "real" / "data.txt")
    for text in ("one", "two"):
        write_text(link, text)
        assert (tmp_path / "real" / "data.txt").read_text() == text
    assert link.is_symlink()


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "stdout").symlink_to(f"/dev/fd/{reader}")
    for path in (pipe, tmp_path / "stdout"):
        write_text(path, "x")
        assert os.read(reader, 9) == b"x"
    os.close(reader)
    assert pipe.is_fifo()
    with pytest.raises(RecordError, match="cannot be written"):
        write_text(tmp_path, "x")
