"""The checker against two releases of the toy library, which needs no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.errors import MissingExtraError
from recode.migrate.witnesses import type_checker
from recode.migrate.witnesses.type_checker import Diagnostic, TypeCheckError, check, new_diagnostics
from recode.sandbox.environments import Environment

PROGRAM = """\
import toylib
from toylib import area, first

class Plot:
    unit = toylib.area  # type: ignore

    def size(self, sides: list[float]) -> float:
        return toylib.total(sides, scale=2) + self.depth

print(area([1.0]), first([2]), toylib.missing)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "plot.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "other.py").write_text("import toylib\nprint(toylib.area([1]))\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.ty.rules]\nall = 'ignore'\n", encoding="utf-8")
    return tmp_path


def test_what_a_release_took_away_is_new(project: Path, toy_old: Environment, toy_new: Environment) -> None:
    files = [Path("plot.py")]
    found = new_diagnostics(check(project, files, toy_old), check(project, files, toy_new))
    assert [(one.line, one.column, one.rule) for one in found] == [
        (2, 20, "missing-module-member"),
        # Neither the project's settings nor its comments hide what breaks.
        (5, 12, "missing-attribute"),
        (8, 36, "unknown-argument"),
    ]
    # What both releases lack (`missing`, `self.depth`) is none of the release's doing.
    assert {one.file for one in found} == {Path("plot.py")}


def test_a_message_that_only_reads_otherwise_is_not_new() -> None:
    old = Diagnostic(Path("a.py"), 1, 2, 1, 5, "missing-attribute", "`Index` has no `x`")
    new = Diagnostic(Path("a.py"), 1, 2, 1, 5, "missing-attribute", "`Index[str]` has no `x`")
    assert new_diagnostics([old], [new]) == ()
    assert new_diagnostics([], [new, old]) == (new,)


def test_a_checker_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, project: Path, toy_new: Environment
) -> None:
    monkeypatch.setattr(type_checker.shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingExtraError, match=r"recode-rl\[migrate\]"):
        check(project, [Path("plot.py")], toy_new)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'error: no such rule' >&2; exit 2", "exit status 2: error: no such rule"),
        ("echo '[{}]'", "could not be read"),
        ("echo nonsense", "could not be read"),
    ],
)
def test_a_checker_that_fails_is_one_line(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_new: Environment
) -> None:
    (tmp_path / "ty").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (tmp_path / "ty").chmod(0o755)
    monkeypatch.setattr(type_checker, "_ty", lambda: str(tmp_path / "ty"))
    with pytest.raises(TypeCheckError, match=message):
        check(tmp_path, [Path("a.py")], toy_new)


def test_a_checker_that_does_not_end_is_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, toy_new: Environment
) -> None:
    (tmp_path / "ty").write_text("#!/bin/sh\nsleep 60\n", encoding="utf-8")
    (tmp_path / "ty").chmod(0o755)
    monkeypatch.setattr(type_checker, "_ty", lambda: str(tmp_path / "ty"))
    monkeypatch.setattr(type_checker, "_SECONDS", 0.5)
    with pytest.raises(TypeCheckError, match="ty took longer than"):
        check(tmp_path, [Path("a.py")], toy_new)
