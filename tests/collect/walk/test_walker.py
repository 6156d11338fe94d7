"""Where a walk finds a definition: the path does not depend on the machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from recode.collect.walk._walker import below, refusal


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/home/a/env/lib/python3.11/site-packages/numpy/core/_methods.py", "numpy/core/_methods.py"),
        ("/home/a/.pyenv/versions/3.11.7/lib/python3.11/typing.py", "python3.11/typing.py"),
        ("", ""),
    ],
)
def test_paths_begin_with_the_library(file: str, expected: str) -> None:
    assert below(file) == expected


def test_what_python_itself_defines_has_a_short_path() -> None:
    assert below(dataclasses.__file__).endswith("dataclasses.py")
    assert not below(dataclasses.__file__).startswith("/")


def refuse(name: str) -> None:
    try:
        context = name.upper()
    except ValueError:
        context = ""
    raise AttributeError(f"{context} has been removed, use the class")


def only_raises(stream: object) -> None:
    """Load."""
    raise TypeError("only_raises() was removed in 2.0")


def raises_through(stream: object, encoding: str | None = None) -> None:
    encoding = "utf-8" if encoding is None else encoding
    refuse("load")


def raises_sometimes(stream: object) -> int:
    if not stream:
        raise ValueError("empty")
    return 1


def warns_and_works(stream: object) -> object:
    refuse("load") if stream is None else None
    return stream


def abstract(stream: object) -> None:
    raise NotImplementedError


def serves() -> None:
    while True:
        raises_sometimes(1)


def yields() -> Iterator[int]:
    yield 1
    raise StopIteration


class Refused:
    def __init__(self) -> None:
        raise TypeError("use the function")


@pytest.mark.parametrize("value", [only_raises, raises_through, refuse, Refused])
def test_what_only_raises_is_seen(value: object) -> None:
    assert len(refusal(value)) > 5


@pytest.mark.parametrize("value", [raises_sometimes, warns_and_works, abstract, serves, yields, len, int, 3])
def test_what_may_return_is_no_refusal(value: object) -> None:
    assert refusal(value) == ""
