"""Settings files and classes of tests, which are known by their names; class bodies are in `programs/declared.txt`."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.api import scan
from recode.records import ApiUpdate, Evidence, write_records
from recode.symbol import Symbol

SETTINGS = "import os\nUSE_L10N = True\nUSE_TZ = True\ndef f():\n    USE_L10N = False\n"
TESTS = "class TestA:\n    def setup(self):\n        pass\n    def test_a(self):\n        pass\n"


def lines(folder: Path, file: str, text: str, to: str) -> list[int]:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [finding.line for finding in scan(folder, to=to, from_="1.0", fast=True).findings]


@pytest.mark.parametrize(("file", "expected"), [("settings.py", [2]), ("site/settings/base.py", [2]), ("other.py", [])])
def test_settings_are_known_by_their_file(file: str, expected: list[int], tmp_path: Path) -> None:
    assert lines(tmp_path, file, SETTINGS + "import django\n", "django==5.0") == expected


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("test_a.py", f"import pytest\n{TESTS}", [3]),
        ("a.py", f"import pytest\n{TESTS}", []),
        ("test_b.py", f"import pytest\n{TESTS.replace('TestA', 'Helper')}", []),
        ("test_c.py", f"import pytest\nfrom unittest import TestCase\n{TESTS.replace('TestA', 'TestA(TestCase)')}", []),
    ],
)
def test_a_class_of_tests_is_known_by_its_name(file: str, text: str, expected: list[int], tmp_path: Path) -> None:
    evidence = Evidence(
        source="deprecation message", package_version="7.4.4", file="_pytest/deprecated.py", line=1, quote="nose"
    )
    update = ApiUpdate(
        family_id="pytest-setup", library="pytest", old_version="7.4.4", new_version="8.0", kind="renamed", removed_in="8.0",
        old_symbol=Symbol("pytest.Class.setup"), new_symbol=Symbol("pytest.Class.setup_method"), description="d", update_info="i",
        evidence=(evidence,),
    )  # fmt: skip
    updates = tmp_path / "updates.jsonl"
    write_records(updates, [update])
    project = tmp_path / "project"
    project.mkdir()
    (project / file).write_text(text, encoding="utf-8")
    found = scan(project, to="pytest==8.3.4", from_="7.4.4", updates=updates, fast=True).findings
    assert [finding.line for finding in found] == expected
