"""What people wrote, as knowledge for scanning; the sources under `data/knowledge`."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.collect.knowledge import KnowledgeSource, by_hand_only, read_source
from recode.errors import RecordError

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
    assert [one.old_symbol for one in by_hand_only(source(tmp_path, text), None).updates] == ["lib.a", "lib.c"]


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
