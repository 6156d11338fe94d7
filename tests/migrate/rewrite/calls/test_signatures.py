"""Whether a value for one parameter may be wrong for another, as far as annotations and defaults show it."""

from __future__ import annotations

import pytest

from recode.migrate.rewrite.calls.signatures import CallParameter, read_signature, values_differ


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("int | None", "Optional[int]", False),
        ("typing.List[int]", "list[int]", False),
        ("int", "int | str", False),
        ("'int'", "int", False),
        ("Union[int, str]", "int", True),
        ("ProxiesTypes | None", "ProxyTypes | None", True),
        ("dict", "Any", False),
        ("dict", None, False),
        (None, "dict", False),
        ("int |", "int |", False),
    ],
)
def test_types_are_sets_of_alternatives(old: str | None, new: str | None, differs: bool) -> None:
    before, after = (CallParameter("a", "KEYWORD_ONLY", "None", text) for text in (old, new))
    assert bool(values_differ(before, after)) is differs


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("True", "False", True),
        ("'ls'", "'squared_error'", True),
        ("1", "1", False),
        (None, "1", False),
        ("None", "1", False),
        ("'deprecated'", "1", False),
        ("<no value>", "1", False),
        ("<no_default>", "'a'", False),
    ],
)
def test_a_default_that_marks_a_missing_value_shows_nothing(old: str | None, new: str | None, differs: bool) -> None:
    before, after = (CallParameter("a", "KEYWORD_ONLY", text) for text in (old, new))
    assert bool(values_differ(before, after)) is differs


@pytest.mark.parametrize("answer", [None, "unknown", {}, {"parameters": [["a"]], "takes_self": False}, []])
def test_an_answer_that_is_no_signature_is_none(answer: object) -> None:
    assert read_signature(answer) is None
