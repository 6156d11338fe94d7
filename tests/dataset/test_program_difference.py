from __future__ import annotations

import pytest

from recode.dataset.program_difference import import_name, symbols_of


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("f.area(x, scale=2)", "f.area(x, factor=2)", ("parameter_renamed", "f.area(scale)", "f.area(factor)")),
        ("f.area(x, copy=True)", "f.area(x)", ("parameter_removed", "f.area(copy)", "")),
        ("f.area(x)", "f.area(x, axis=0)", ("parameter_added", "f.area", "f.area(axis)")),
        ("f.area(x)", "sum(x)", ("replaced", "f.area", "f.sum")),
        ("f.old(f.area(x))", "f.area(x)", ("removed", "f.old", "")),
        ("f.area(x)", "f.area(x", ("replaced", "f", "")),
    ],
)
def test_kind_and_symbols_are_read_off_the_difference(old: str, new: str, expected: tuple[str, str, str]) -> None:
    assert symbols_of(f"import f\n{old}\n", f"import f\n{new}\n", "the area", "f") == expected


def test_the_name_that_programs_import() -> None:
    assert import_name("import numpy as np\nfrom sklearn.svm import SVC\n", "scikit-learn") == "sklearn"
    assert import_name("import Toylib\n", "toylib") == "Toylib"
    assert import_name("(", "two-words") == "two_words"
