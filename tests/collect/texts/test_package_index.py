from __future__ import annotations

from dataclasses import replace

import pytest

from recode.collect.texts import package_index as releases
from recode.collect.texts.package_index import ReleaseError, fetch, release_of, releases_between
from tests.toy_releases import Index


def test_the_last_patch_of_every_minor_series_in_between(toy_releases: Index) -> None:
    found = releases_between("toymath", "1.0", "2.0")
    # 1.1.0 gave way to 1.1.1, and 1.2 was yanked.
    assert [one.version for one in found] == ["1.0", "1.1.1", "2.0"]
    assert found[-1].sdist is not None
    assert found[-1].smallest is not None
    assert found[-1].smallest.kind == "wheel"


def test_one_release(toy_releases: Index) -> None:
    assert release_of("toymath", "2.0") == releases_between("toymath", "1.0", "2.0")[-1]
    with pytest.raises(ReleaseError, match=r"toymath has no release 3\.0"):
        release_of("toymath", "3.0")


def test_a_file_is_what_the_index_says(toy_releases: Index) -> None:
    file = releases_between("toymath", "1.0", "2.0")[0].files[0]
    assert fetch(file) == toy_releases.files[file.name]
    toy_releases.add("toyforged", "1.0", "toyforged-1.0-py3-none-any.whl", b"one thing", sha256="0" * 64)
    toy_releases.add("toyforged", "2.0", "toyforged-2.0-py3-none-any.whl", b"another")
    with pytest.raises(ReleaseError, match="does not have the hash"):
        fetch(releases_between("toyforged", "1.0", "2.0")[0].files[0])


@pytest.mark.parametrize(
    ("library", "old", "new", "message"),
    [
        ("toymath", "1.0", "3.0", "toymath has no release 3.0"),
        ("toymath", "1.5", "2.0", "some of its releases: 1.0, 1.1.0"),
        ("toymath", "2.0", "1.0", "2.0 is not before 1.0"),
        ("toymath", "one", "2.0", "'one' is not a version"),
        ("no-such-library", "1.0", "2.0", "not on the index"),
    ],
)
def test_an_unknown_release_is_an_error(toy_releases: Index, library: str, old: str, new: str, message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        releases_between(library, old, new)


def test_a_failing_server_is_asked_again_and_a_missing_file_is_not(
    toy_releases: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    file = releases_between("toymath", "1.0", "2.0")[0].files[0]
    toy_releases.failures = 2
    assert fetch(file) == toy_releases.files[file.name]
    assert waits == [1, 2]
    toy_releases.failures = 3
    with pytest.raises(ReleaseError, match=r"cannot be downloaded \(HTTP 503\); check the network"):
        fetch(file)
    waits.clear()
    with pytest.raises(ReleaseError, match="not on the index"):
        fetch(replace(file, url=f"{toy_releases.url}/files/missing.whl"))
    assert waits == []


def test_a_server_that_cannot_be_reached_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("RECODE_INDEX", "http://127.0.0.1:9")
    with pytest.raises(ReleaseError, match=r"^numpy: cannot be downloaded \(.*\); check the network$"):
        releases_between("numpy", "1.0", "2.0")


@pytest.mark.parametrize(
    "answer", [b"<html>Welcome</html>", b"\xff", b"[]", b'{"releases": {"1.0": [{}]}}', b'{"releases": 3}']
)
def test_an_index_that_answers_something_else_is_one_error(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(releases, "_get", lambda url, subject: answer)
    with pytest.raises(ReleaseError, match=r"numpy: .*does not answer as PyPI's JSON API does"):
        releases_between("numpy", "1.0", "2.0")
