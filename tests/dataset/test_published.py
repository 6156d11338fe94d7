from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recode.dataset.published import import_name, is_published, read_published, symbols_of
from recode.errors import RecordError

RECORD = {
    "dependency": "toylib",
    "new_version": "==2.0",
    "description": "The area has a new name.",
    "update_info": "`toylib.area` is now `toylib.surface`.",
    "old_code": "import toylib\n\nsides = [1.5, 2.0]\nprint(toylib.area(sides))",
    "new_code": "import toylib\n\nsides = [1.5, 2.0]\nprint(toylib.surface(sides))",
}


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


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("f.area(x, scale=2)", "f.area(x, factor=2)", ("parameter_renamed", "f.area(scale)", "f.area(factor)")),
        ("f.area(x, copy=True)", "f.area(x)", ("parameter_removed", "f.area(copy)", "")),
        ("f.area(x)", "f.area(x, axis=0)", ("parameter_added", "f.area", "f.area(axis)")),
        ("f.area(x)", "sum(x)", ("replaced", "f.area", "f.sum")),
        ("f.old(f.area(x))", "f.area(x)", ("removed", "f.old", "")),
        ("f.area(x)", "f.area(x", ("replaced", "f", "")),
    ],
)
def test_kind_and_symbols_are_read_off_the_difference(old: str, new: str, expected: tuple[str, str, str]) -> None:
    assert symbols_of(f"import f\n{old}\n", f"import f\n{new}\n", "the area", "f") == expected


def test_the_name_that_programs_import() -> None:
    assert import_name("import numpy as np\nfrom sklearn.svm import SVC\n", "scikit-learn") == "sklearn"
    assert import_name("import Toylib\n", "toylib") == "Toylib"
    assert import_name("(", "two-words") == "two_words"


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "set.jsonl", RECORD, {**RECORD, "old_code": ""})
    with pytest.raises(RecordError, match=r"set.jsonl:2: field `old_code`"):
        read_published(path)
