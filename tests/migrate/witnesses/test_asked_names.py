"""Names that a project writes out, asked of two releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.migrate.find.findings import Finding, Witness
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.migrate.witnesses.asked_names import AskedMove, name_findings

FILE = Path("a.py")


class Release(ReleaseNames):
    """A release in which some names are gone, and some cannot be asked about."""

    def __init__(self, gone: frozenset[str] = frozenset(), unknown: frozenset[str] = frozenset()) -> None:
        super().__init__(None)
        self.gone, self.unknown = gone, unknown

    def has(self, path: str, parameter: str = "") -> str:  # type: ignore[override]
        return "unknown" if path in self.unknown else "no" if path in self.gone else "yes"


OLD = Release(gone=frozenset({"lib.never"}))
NEW = Release(gone=frozenset({"lib.old", "lib.sub.old", "lib.sub.Old.LIMIT", "lib.gone", "lib.never"}))


def found(tmp_path: Path, text: str, new: Release = NEW, guarded: bool = False) -> tuple[Finding, ...]:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    move = AskedMove("lib", "1.0", "2.0", OLD, new, frozenset({"lib"}))
    return name_findings(tmp_path, [FILE], move, lambda file, line: guarded)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from lib import old\n", ["old"]),
        ("from lib.sub import kept, old as o\n", ["old"]),
        ("import lib.gone\n", ["lib.gone"]),
        ("import lib.gone as g\ng.x\n", ["lib.gone"]),
        ("import lib\nprint(lib.sub.old(1).x, lib.kept)\n", ["old"]),
        ("import lib.sub as é\nprint(é.old, é.Old.LIMIT)\n", ["old", "LIMIT"]),
        ("def f():\n    from lib import sub\n    return sub.old\n", ["old"]),
    ],
)
def test_what_only_the_old_release_has_is_reported_at_its_name(tmp_path: Path, text: str, names: list[str]) -> None:
    findings = found(tmp_path, text)
    lines = text.splitlines()
    assert [lines[one.line - 1][one.column - 1 : one.end_column - 1] for one in findings] == names
    assert all(one.witnesses == (Witness.TYPES,) and one.status == "breaks" for one in findings)


@pytest.mark.parametrize(
    "text",
    [
        "from lib import kept, never\n",
        "from other import old\n",
        "from .lib import old\n",
        "from lib import *\nold\n",
        "import lib\nlib.old = 1\n",
        "import lib\ndef f(lib):\n    return lib.old\n",
        "lib = make()\nprint(lib.old)\n",
        "import lib\nprint(lib().old)\n",
        "from lib import (\n",
    ],
)
def test_anything_else_is_not(tmp_path: Path, text: str) -> None:
    assert not found(tmp_path, text)


def test_what_cannot_be_asked_is_not_reported(tmp_path: Path) -> None:
    assert not found(tmp_path, "from lib import old\n", Release(unknown=frozenset({"lib.old"})))


def test_a_branch_for_some_releases_is_noted(tmp_path: Path) -> None:
    assert [one.guarded for one in found(tmp_path, "from lib import old\n", guarded=True)] == [True]


def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"import lib\nlib.old  # \xff\n")
    move = AskedMove("lib", "1.0", "2.0", OLD, NEW, frozenset({"lib"}))
    assert not name_findings(tmp_path, [FILE, Path("none.py")], move, lambda file, line: False)
