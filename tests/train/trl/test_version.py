"""The installed release of TRL: one line where it is missing or untested."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from recode.errors import MissingExtraError, RecodeError
from recode.train.trl import version
from recode.train.trl.version import TESTED, check_trl


def test_the_bound_is_that_of_the_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    extra = map(Requirement, project["project"]["optional-dependencies"]["train"])
    assert next(one for one in extra if one.name == "trl").specifier == TESTED


@pytest.mark.parametrize("installed", ["1.15.2", "1.17.0", "2.0"])
def test_an_untested_release_is_one_line_that_names_the_tested_ones(
    installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "version", lambda name: installed)
    with pytest.raises(RecodeError, match=rf"TRL {installed} is installed, .* run: pip install 'trl") as caught:
        check_trl()
    assert "\n" not in str(caught.value)


def test_without_trl_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    with pytest.raises(MissingExtraError, match=r"recode-rl\[train\]"):
        check_trl()
