"""What the program that asks a release makes of a function's source."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from recode.migrate.rewrite import _name_questions as questions


def new(first: Any, second: Any = 1, *rest: Any, **more: Any) -> Any:
    return first, second, rest, more


def plain(first: Any, second: Any = 1) -> Any:
    """Say the same."""
    warnings.warn("use new", DeprecationWarning, stacklevel=2)
    return new(first, second=second)


def passed_on(*args: Any, **kwargs: Any) -> Any:
    return new(*args, **kwargs)


def swapped(first: Any, second: Any = 1) -> Any:
    return new(second, first)


def dropped(first: Any, second: Any = 1) -> Any:
    return new(first)


def wrapped(first: Any) -> Any:
    return list(new(first))


def prepared(first: Any) -> Any:
    first = first or 3
    return new(first)


def unrelated(first: Any) -> Any:
    return first


@functools.wraps(plain)
def decorated(*args: Any) -> Any:
    return plain(*args)


@pytest.mark.parametrize(
    ("function", "relation"),
    [
        (plain, questions.FORWARDS),
        (passed_on, questions.FORWARDS),
        (swapped, questions.CONVERTS),
        (dropped, questions.CONVERTS),
        (wrapped, questions.CONVERTS),
        (prepared, questions.CONVERTS),
        (unrelated, questions.NO),
        (decorated, questions.FORWARDS),
    ],
)
def test_a_plain_forward_only_returns_the_same_call(function: Callable[..., Any], relation: str) -> None:
    assert questions.relation(f"{__name__}.{function.__name__}", f"{__name__}.new") == relation


def test_a_module_that_lacks_something_itself_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ModuleNotFoundError("No module named 'other'", name="other")

    assert questions.has("json.nothing_of_that_name", "") == questions.NO
    monkeypatch.setattr("importlib.import_module", broken)
    assert questions.has("json.loads", "") == questions.UNKNOWN
    assert "other" in questions.imports("json", "")
