from __future__ import annotations

import ast

import pytest

from recode.dataset.verify.mentions import follows, uses_old, words_of
from recode.records import Kind
from recode.symbol import Symbol


@pytest.mark.parametrize(
    ("symbol", "kind", "code", "used"),
    [
        ("numpy.trapz", "renamed", "import numpy as np\nnp.trapz(y)", True),
        ("numpy.trapz", "renamed", "from numpy import trapz", True),
        ("numpy.trapz", "renamed", "'trapz of y'", False),
        ("numpy.core.defchararray", "moved", "import numpy.core.defchararray", True),
        ("pandas.DataFrame.mad", "removed", "frame.agg('mad')", True),
        ("numpy.sum(axis)", "parameter_renamed", "np.sum(a, axis=1)", True),
        ("numpy.sum(axis)", "parameter_renamed", "np.sum(a, 1)", False),
        ("numpy.sum(axis)", "parameter_removed", "np.sum(a, 1)", True),
        ("numpy.sum(axis)", "parameter_renamed", "np.prod(a, axis=1)", True),
        ("numpy.sum(axis)", "parameter_renamed", "options = {'axis': 1}\nnp.sum(a, **options)", True),
        ("a.resample('M')", "replaced", "frame.resample('M')", True),
        ("a.resample('M')", "replaced", "frame.resample('D')", False),
    ],
)
def test_use_is_seen_in_the_syntax_tree(symbol: str, kind: Kind, code: str, used: bool) -> None:
    assert uses_old(ast.parse(code), Symbol(symbol), kind) is used


@pytest.mark.parametrize(
    ("old", "new", "before", "after", "follow"),
    [
        ("a.f", "a.g", "a.f(1)", "a.g(1)", True),
        ("a.f", "a.g", "a.f(1)", "a.f( 1 )", False),
        ("a.f", "", "a.f(1)", "1", True),
        ("a.f", "", "a.f(1)", "a.f(2)", False),
        ("a.f", "b.f", "a.f(1)", "b.f(1)", True),
        ("a.f", "b.f", "a.f(1)", "a.f( 1 )", False),
        ("a.f(x)", "a.f(y)", "a.f(x=x)", "a.f(y=x)", True),
        ("a.f(x)", "", "a.f(1, x=2)", "a.f(1)", True),
        ("a.f", "a.f(y)", "a.f(1)", "a.f(1, 2)", True),
        ("a.f(x)", "a.f", "a.f(1, x=2)", "a.f(1, 2).x()", True),
        ("a.f(x)", "a.f", "a.f(x=2)", "a.f( x=2 )", False),
    ],
)
def test_following(old: str, new: str, before: str, after: str, follow: bool) -> None:
    trees = ast.parse(before), ast.parse(after)
    assert follows(*trees, Symbol(old), Symbol(new)) is follow


def test_a_number_too_long_for_decimal_is_passed_over() -> None:
    assert words_of(ast.parse(f"f(0x{'f' * 4000}, 12)")) == {"f": 1, "12": 1}
