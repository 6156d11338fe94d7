"""What the environments of a migration are built with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from recode.collect.texts import plain_wheels
from recode.errors import EnvironmentBuildError
from recode.migrate.project.environments import buildable_environment, pinned_environment, with_own_pins


def test_a_users_own_pin_takes_the_place_of_the_projects_however_it_is_spelt() -> None:
    common = ["typing_extensions==4.1", "Zope.Interface>=5", "six"]
    assert with_own_pins(common, ["typing-extensions==4.12", "zope_interface==6"]) == [
        "six", "typing-extensions==4.12", "zope_interface==6",
    ]  # fmt: skip
    assert with_own_pins(common, []) == common


NO_WHEEL = (
    "uv could not build the environment (No solution found when resolving dependencies cause: Because peewee<=3.17.3 has no usable wheels and "
    "only … hint: Wheels are required for `peewee` because building from source is disabled for all packages (i.e., with `--no-build`))"
)


def test_a_requirement_without_a_wheel_is_left_out_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def ensure_lock(folder: Path, library: str, version: str, requires: Sequence[str]) -> object:
        asked.append(list(requires))
        if "peewee<3.17.4" in requires:
            raise EnvironmentBuildError(NO_WHEEL)
        return "lock"

    monkeypatch.setattr(plain_wheels, "ensure_lock", ensure_lock)
    monkeypatch.setattr(plain_wheels, "ensure_environment", lambda lock: lock)
    environment, left = buildable_environment("pandas", "2.2.3", ["numpy>=1.23", "peewee<3.17.4"])
    assert (environment, left) == ("lock", ("peewee<3.17.4",))
    assert asked == [["numpy>=1.23", "peewee<3.17.4"], ["numpy>=1.23"]]


def test_what_names_no_requirement_is_still_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure_lock(*_: object) -> object:
        raise EnvironmentBuildError(NO_WHEEL)

    monkeypatch.setattr(plain_wheels, "ensure_lock", ensure_lock)
    with pytest.raises(EnvironmentBuildError, match="peewee"):
        buildable_environment("pandas", "2.2.3", ["numpy>=1.23"])


def test_another_release_of_python_is_no_environment() -> None:
    with pytest.raises(EnvironmentBuildError, match="made for one release of Python"):
        pinned_environment("python", "3.13")
