"""The knowledge about a library, as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.errors import RecordError
from recode.knowledge.model import Knowledge, Shape, read_knowledge, shape_file, shipped_folder, write_knowledge
from recode.records import ApiUpdate

UPDATE = ApiUpdate(
    family_id="lib-a",
    library="lib",
    old_version="1.0",
    new_version="2.0",
    kind="renamed",
    old_symbol="lib.a",
    new_symbol="lib.b",
    description="d",
    update_info="Use `b`.",
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    shape = Shape(library="lib", packages=("lib",), old_version="1.0", new_version="2.0", classes={"lib.A": ("lib.B",)})
    for knowledge in (Knowledge((UPDATE,), shape), Knowledge((UPDATE,))):
        file = tmp_path / ("with.jsonl" if knowledge.shape else "without.jsonl")
        write_knowledge(file, knowledge)
        assert read_knowledge(file) == knowledge
    assert not shape_file(tmp_path / "without.jsonl").exists()


def test_a_damaged_shape_is_one_clear_error(tmp_path: Path) -> None:
    write_knowledge(tmp_path / "lib.jsonl", Knowledge((UPDATE,)))
    shape_file(tmp_path / "lib.jsonl").write_text('{"library": 3}', encoding="utf-8")
    with pytest.raises(RecordError, match=r"lib\.shape\.json: not the shape of a library"):
        read_knowledge(tmp_path / "lib.jsonl")


@pytest.mark.parametrize("file", sorted(shipped_folder().glob("*.jsonl")), ids=lambda file: file.stem)
def test_what_ships_can_be_read(file: Path) -> None:
    knowledge = read_knowledge(file)
    assert knowledge.updates
    assert {update.library for update in knowledge.updates} == {file.stem}
    if knowledge.shape is not None:
        assert knowledge.shape.library == file.stem
