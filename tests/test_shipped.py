"""Files that come with ReCode are found by name, in a checkout and in an installed package, and a user's own come first."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode import shipped as module
from recode.errors import RecordError
from recode.shipped import is_shipped_copy, shipped, shipped_root

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("@train", "data/train.jsonl"),
        ("@test_updates", "data/test_updates.jsonl"),
        ("@all", "data"),
        ("data/locks", "data/locks"),
        ("quickstart/grpo", "recipes/quickstart/grpo.toml"),
        ("recipes/quickstart/grpo.toml", "recipes/quickstart/grpo.toml"),
        ("quickstart/grpo.toml", "recipes/quickstart/grpo.toml"),
        ("study", "recipes/study"),
    ],
)
def test_names_are_found_from_any_folder(name: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped(name) == ROOT / path


def test_a_path_of_the_users_own_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert shipped("data") == Path("data")
    assert shipped("nothing/here.toml") == Path("nothing/here.toml")
    assert shipped("../data") == Path("../data")
    assert shipped("@other/model") == Path("@other/model")


def test_an_unknown_split_is_an_error_that_lists_the_splits() -> None:
    with pytest.raises(RecordError, match=r"@tests: no split has this name; choose from @all, .*@train"):
        shipped("@tests")


def test_an_installed_package_uses_its_own_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "recode"
    (package / "share" / "data" / "locks").mkdir(parents=True)
    monkeypatch.setattr(module, "_PACKAGE", package)
    monkeypatch.setattr(module, "_SHARE", package / "share")
    shipped_root.cache_clear()
    try:
        monkeypatch.chdir(tmp_path)
        assert shipped("data/locks") == package / "share" / "data" / "locks"
        assert is_shipped_copy(shipped("data/locks"))
        assert not is_shipped_copy(tmp_path)
    finally:
        shipped_root.cache_clear()
