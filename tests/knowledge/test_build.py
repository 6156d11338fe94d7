"""What people wrote, as knowledge for scanning; the sources under `data/knowledge`."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.errors import RecodeError, RecordError
from recode.knowledge import build as knowledge
from recode.knowledge.build import KnowledgeSource, build_all, read_source, sources_only

DATA = Path(__file__).parents[2] / "data" / "knowledge"
PATTERN = """
[[update]]
id = "lib-{name}"
kind = "removed"
old_symbol = "lib.{name}"
description = "It is gone."
update_info = "Leave it out."
evidence = [{{ source = "docstring", package_version = "1.0", file = "a.py", line = 1, quote = "q" }}]
"""
HEAD = 'library = "lib"\nold_version = "1.0"\nnew_version = "2.0"\n'


def source(tmp_path: Path, text: str) -> KnowledgeSource:
    (tmp_path / "lib.toml").write_text(HEAD + text, encoding="utf-8")
    return read_source(tmp_path / "lib.toml")


def test_each_change_is_told_once_and_what_is_to_be_skipped_is(tmp_path: Path) -> None:
    text = 'skip = ["lib.b"]\n' + "".join(PATTERN.format(name=name) for name in "aabc")
    assert [one.old_symbol for one in sources_only(source(tmp_path, text), None).updates] == ["lib.a", "lib.c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("skip = 3\n", "field `skip`"), ("[[update]]\nid = 'x'\n", "field `update.0.kind`"), ("=", "not valid TOML")],
)
def test_a_bad_source_names_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecordError, match=rf"lib\.toml: .*{said}"):
        source(tmp_path, text)


@pytest.mark.parametrize("file", sorted(DATA.glob("*.toml")), ids=lambda file: file.stem)
def test_the_sources_can_be_read(file: Path) -> None:
    assert read_source(file).library == file.stem


def test_a_library_that_cannot_be_examined_keeps_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise RecodeError("no index")

    monkeypatch.setattr(knowledge, "build_knowledge", down)
    source(tmp_path, PATTERN.format(name="a"))
    file = tmp_path / "out" / "lib.jsonl"
    (built,) = build_all(tmp_path, tmp_path.parent, tmp_path / "out")
    assert (built.updates, built.error) == (1, "only the update sources are used: no index")
    assert len(file.read_text().splitlines()) == 1
    file.write_text("good\n")
    (built,) = build_all(tmp_path, tmp_path.parent, tmp_path / "out")
    assert file.read_text() == "good\n"
    assert built.updates is None
    assert built.error.endswith("lib.jsonl is kept as it is: no index")


def test_unknown_libraries_and_folders_are_named(tmp_path: Path) -> None:
    source(tmp_path, "")
    with pytest.raises(RecodeError, match=r"^lip: no library of .*they hold: lib$"):
        list(build_all(tmp_path, tmp_path, tmp_path / "out", ["lib", "lip"]))
    with pytest.raises(RecodeError, match="gone: no such folder"):
        list(build_all(tmp_path, tmp_path / "gone", tmp_path / "out"))
