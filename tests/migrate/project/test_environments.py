"""What the environments of a migration are built with."""

from __future__ import annotations

import pytest

from recode.errors import EnvironmentBuildError
from recode.migrate.project.environments import pinned_environment, with_own_pins


def test_a_users_own_pin_takes_the_place_of_the_projects_however_it_is_spelt() -> None:
    common = ["typing_extensions==4.1", "Zope.Interface>=5", "six"]
    assert with_own_pins(common, ["typing-extensions==4.12", "zope_interface==6"]) == [
        "six", "typing-extensions==4.12", "zope_interface==6",
    ]  # fmt: skip
    assert with_own_pins(common, []) == common


def test_another_release_of_python_is_no_environment() -> None:
    with pytest.raises(EnvironmentBuildError, match="made for one release of Python"):
        pinned_environment("python", "3.13")
