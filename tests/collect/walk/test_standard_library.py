"""Asking an interpreter about its own standard library; here the one that runs the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recode.collect.walk.standard_library import StandardLibrary
from recode.errors import EnvironmentBuildError
from recode.sandbox.execution import run_program

RELEASE = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandardLibrary:
    monkeypatch.setenv("RECODE_HOME", str(tmp_path))
    return StandardLibrary(RELEASE, Path(sys.base_prefix) / "bin" / f"python{RELEASE}")


def test_paths_are_probed(library: StandardLibrary) -> None:
    found = library.probe(["json.loads", "json.gone"])
    assert found["json.loads"] == ("works", "")
    assert found["json.gone"][0] == "raises"


def test_a_release_is_an_environment_in_which_programs_run(library: StandardLibrary) -> None:
    environment = library.environment()
    assert library.environment() == environment
    ran = run_program(environment, "import sys\nprint(sys.version_info[:2])\n", reviewed=True)
    assert ran.stdout == f"{sys.version_info[:2]}\n"


def test_sources_have_paths_below_the_library(library: StandardLibrary) -> None:
    names = {path for path, _ in library.sources()}
    assert {"inspect.py", "collections/__init__.py"} <= names
    assert not any(path.startswith(("test/", "site-packages/")) for path in names)


def test_an_interpreter_that_is_none_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECODE_HOME", str(tmp_path))
    with pytest.raises(EnvironmentBuildError, match=r"Python 3\.0: cannot list its modules"):
        StandardLibrary("3.0", tmp_path / "python").probe(["json"])
