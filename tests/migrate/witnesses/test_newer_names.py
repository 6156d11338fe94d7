"""Silent changes in projects that are written for the new release already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recode.migrate.find.findings import Finding, Witness
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.migrate.witnesses.newer_names import without_silent
from recode.records import ApiUpdate, Kind
from recode.symbol import Symbol

FILE = Path("a.py")


class Old(ReleaseNames):
    """A release without `lib.new_name`."""

    def __init__(self) -> None:
        super().__init__(None)

    def has(self, path: str, parameter: str = "") -> str:  # type: ignore[override]
        return "no" if path == "lib.new_name" else "yes"


def finding(kind: Kind) -> Finding:
    update = ApiUpdate(
        family_id="lib-x", library="lib", old_version="1.0", new_version="2.0", kind=kind, old_symbol=Symbol("lib.f"),
        new_symbol=Symbol(), removed_in="2.0", description="d", update_info="i", evidence=(),
    )  # fmt: skip
    return Finding(FILE, 1, 1, 1, 2, "lib.f", kind, "breaks", "2.0", "", 1.0, "", update)


def kept(tmp_path: Path, text: str, *findings: Finding) -> tuple[Finding, ...]:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    return without_silent(findings, tmp_path, [FILE], frozenset({"lib"}), Old())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("from lib import new_name\n", 0),
        ("from lib import f\n", 1),
        ("try:\n    from lib import new_name\nexcept ImportError:\n    pass\n", 1),
        ("from other import new_name\n", 1),
        ("from lib import (\n", 1),
    ],
)
def test_a_project_for_the_new_release_has_no_silent_changes(tmp_path: Path, text: str, count: int) -> None:
    assert len(kept(tmp_path, text, finding("default_changed"))) == count


def test_what_fails_or_was_seen_is_kept(tmp_path: Path) -> None:
    removed, seen = finding("removed"), replace(finding("return_changed"), witnesses=(Witness.RUNS,))
    assert kept(tmp_path, "from lib import new_name\n", removed, seen) == (removed, seen)
