from __future__ import annotations

import pytest

from recode.migrate.rules.terms import pattern_text, read_pattern


@pytest.mark.parametrize(
    "text",
    [
        "numpy.asfarray($x, $**rest)",
        "sqlalchemy.select([$*items], $**rest)",
        "$x.fillna(method='ffill', $**rest)",
        "-numpy.logaddexp(0, -$x)",
        "pandas.DataFrame([$x])",
        "@pydantic.validator($*items, $**rest)\ndef function(p1, p2)",
        "@pydantic.field_validator($*items)\n@classmethod",
        "class Config:\n    orm_mode = $x\n    $**rest",
        "model_config = pydantic.ConfigDict(from_attributes=$x, $**rest)",
        "$x[$x2] = $x3",
    ],
)
def test_a_pattern_is_read_from_its_own_text(text: str) -> None:
    term = read_pattern(text)
    assert pattern_text(term) == text
    assert read_pattern(pattern_text(term)) == term


def test_keywords_are_a_set_and_names_of_libraries_are_symbols() -> None:
    assert read_pattern("lib.f(a=$x, b=1)") == read_pattern("lib.f(b=1, a=$x)")
    assert read_pattern("lib.f($x, dtype=float)").symbols() == {"lib.f"}
    assert read_pattern("lib.f($x, $*y, $**z)").variables() == {"$x", "$*y", "$**z"}
