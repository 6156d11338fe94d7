from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recode import records
from recode.errors import RecordError
from recode.records import (
    Evidence,
    Migration,
    OldOnNew,
    read_jsonl,
    read_records,
    write_jsonl,
    write_records,
    write_text,
)
from recode.sandbox.pool import ProgramTask

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


@pytest.mark.parametrize(
    ("former", "author", "means"),
    [
        ("hand-written", "model", "written by a language model, not recorded which"),
        ("generator", "generator", "made up by a rule-based generator (`recode.invent`)"),
        ("imported", "unknown", "imported from a file that does not say"),
        ("some-model", "model", "written by some-model"),
        ("person", "person", ""),
    ],
)
def test_the_author_of_an_older_file_is_mapped(tmp_path: Path, former: str, author: str, means: str) -> None:
    value = ENTRY.model_dump(mode="json")
    del value["author_means"]
    (tmp_path / "data.jsonl").write_text(json.dumps({**value, "author": former}) + "\n")
    [entry] = read_records(tmp_path / "data.jsonl", Migration)
    assert (entry.author, entry.author_means) == (author, means)


def test_an_unknown_kind_of_author_is_an_error(tmp_path: Path) -> None:
    value = {**ENTRY.model_dump(mode="json"), "author": "committee"}
    (tmp_path / "data.jsonl").write_text(json.dumps(value) + "\n")
    with pytest.raises(
        RecordError, match=r"data\.jsonl:1: field `author`: Input should be 'model', 'generator', 'person'"
    ):
        read_records(tmp_path / "data.jsonl", Migration)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("library", "numpy\n--extra-index-url https://evil.example/simple"),
        ("library", "-r /etc/passwd"),
        ("library", "../../x"),
        ("old_version", "1.26.4 ; python_version > '3'"),
        ("old_version", "1.0 --index-url=x"),
        ("new_version", "../../x"),
        ("new_version", ">=2"),
    ],
)
def test_library_and_versions_are_checked(tmp_path: Path, field: str, value: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({**ENTRY.model_dump(mode="json"), field: value}) + "\n")
    with pytest.raises(RecordError) as caught:
        read_records(path, Migration)
    assert str(caught.value).startswith(f"{path}:1: field `{field}`: ")
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ENTRY.model_dump(mode="json")).encode() + b"\n")
    assert read_records(path, Migration) == [ENTRY]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"old_code": "print(1)\0"}, "field `old_code`: holds a NUL character"),
        ({"id": "a\0"}, "field `id`: holds a NUL character"),
        ({"locks": ["a", "b\0"]}, "field `locks.1`: holds a NUL character"),
        ({"update_info": "\ud83d"}, "field `update_info`: holds a lone surrogate"),
    ],
)
def test_characters_that_no_text_holds(tmp_path: Path, change: dict[str, object], fault: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({**ENTRY.model_dump(mode="json"), **change}) + "\n")
    with pytest.raises(RecordError) as caught:
        read_records(path, Migration)
    assert str(caught.value).startswith(f"{path}:1: {fault}")


def test_programs_that_are_judged_may_hold_nul(tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text(json.dumps({"id": "a", "program": "x\0", "test": "assert 1"}) + "\n")
    assert read_records(tmp_path / "tasks.jsonl", ProgramTask)[0].program == "x\0"


def test_a_lone_surrogate_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    with pytest.raises(RecordError, match=r"data\.txt:2: cannot be written: the text holds a lone surrogate"):
        write_text(path, "a\n\ud83d")
    with pytest.raises(RecordError, match=r"data\.txt:2: cannot be written: field `b\.0`: holds a lone surrogate"):
        write_jsonl(path, [{"b": "fine"}, {"b": ["\ud83d"]}])
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_can_be_written_and_a_longer_one_is_one_line(tmp_path: Path) -> None:
    write_text(tmp_path / ("é" * 127), "x")
    assert (tmp_path / ("é" * 127)).read_text() == "x"
    for path in (tmp_path / ("a" * 256), tmp_path / ("a" * 256) / "data.txt"):
        with pytest.raises(RecordError, match=r"cannot be written \(File name too long\)"):
            write_text(path, "x")
        with pytest.raises(RecordError, match=r"cannot be read \(File name too long\)"):
            list(read_jsonl(path))


def test_a_loop_of_links_is_one_line_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for path in (tmp_path / "a", tmp_path / "a" / "data.txt"):
        with pytest.raises(RecordError, match=r"cannot be written \(Too many levels of symbolic links\)"):
            write_text(path, "x")
        with pytest.raises(RecordError, match=r"cannot be read \(Too many levels of symbolic links\)"):
            list(read_jsonl(path))
    assert (tmp_path / "a").is_symlink()


def test_a_read_only_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.txt"
    write_text(path, "old")
    path.chmod(0o444)
    # Root may write everything.
    monkeypatch.setattr(records.os, "access", lambda target, mode: False)
    with pytest.raises(RecordError, match=r"data\.txt: cannot be written \(the file is read-only\)"):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(records.tempfile, "mkstemp", refuse)
    with pytest.raises(RecordError, match=r"data\.txt: cannot be written \(Read-only file system\)"):
        write_text(tmp_path / "data.txt", "x")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_path_that_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        list(read_jsonl(tmp_path / name))
    with pytest.raises(RecordError, match="cannot be written"):
        write_text(tmp_path / name, "x")
