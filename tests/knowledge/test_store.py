"""Sources of knowledge merge: what was collected adds to what is shipped, and never hides it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.knowledge.model import Knowledge, Shape, read_knowledge, shipped_folder, write_knowledge
from recode.knowledge.store import cached_file, find_knowledge, merged_knowledge


def test_an_empty_collected_file_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECODE_HOME", str(tmp_path))
    write_knowledge(cached_file("numpy", "1.26.4", "2.1.0"), Knowledge(()))
    found = find_knowledge("numpy", "2.1.0", "1.26.4")
    assert found is not None
    assert found.knowledge.updates == read_knowledge(shipped_folder() / "numpy.jsonl").updates
    assert found.origin.startswith("collected 1.26.4 → 2.1.0, shipped ")


def test_the_first_source_of_a_symbol_counts() -> None:
    updates = read_knowledge(shipped_folder() / "more-itertools.jsonl").updates
    other = updates[0].model_copy(update={"description": "something else"})
    assert merged_knowledge(Knowledge(updates), Knowledge((other,))).updates == updates


def test_shapes_are_merged() -> None:
    one = Shape(library="lib", packages=("a",), old_version="1", new_version="2", returns={"a.f": "a.C"})
    two = Shape(
        library="lib", packages=("a", "b"), old_version="1", new_version="3", returns={"a.f": "b.D", "b.g": "b.D"}
    )
    shape = merged_knowledge(Knowledge((), one), Knowledge((), two)).shape
    assert shape is not None
    assert shape.returns == {"a.f": "a.C", "b.g": "b.D"}
    assert shape.packages == ("a", "b")
