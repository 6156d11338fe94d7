"""What a text says to use instead, looked up among the names of the new release."""

from __future__ import annotations

import pytest

from recode.collect.join.lookup import NameLookup
from recode.collect.join.statements import Replacement, find_replacement
from recode.collect.walk.public_api import UNKNOWN, Api, Member, Name, Parameter, ParameterKind

EITHER = ParameterKind.POSITIONAL_OR_KEYWORD


def function(path: str, *parameters: str) -> Name:
    given = tuple(Parameter(name, EITHER, None) for name in parameters)
    return Name((path,), "function", UNKNOWN, frozenset(), frozenset(), {}, given)


def api(version: str, *names: Name) -> Api:
    return Api("lib", version, names, {"lib": "lib/__init__.py"}, {})


AFFINE = Member("affine", "property", "lib:Image", UNKNOWN, None)
IMAGE = Name(("lib.Image",), "class", UNKNOWN, frozenset(), frozenset(), {}, (), {"affine": AFFINE})
LOOKUP = NameLookup(
    api("1.0", function("lib.old", "x"), IMAGE),
    api("2.0", function("lib.old", "x", "y"), function("lib.new", "x"), IMAGE),
)


@pytest.mark.parametrize(
    ("candidates", "path", "parameters", "expected"),
    [
        (["new"], "lib.old", (), Replacement("lib.new", (), True)),
        (["l.new()"], "lib.old", (), Replacement("lib.new", (), True)),
        (["y"], "lib.old", ("x",), Replacement("lib.old", ("y",), True)),
        (["y=1"], "lib.old", (), Replacement("lib.old", ("y",), True)),
        (["x"], "lib.old", ("x",), Replacement()),
        (["-lib.new"], "lib.old", (), Replacement("lib.new", (), True)),
        (["img.affine"], "lib.Image.get_affine", (), Replacement("lib.Image.affine", (), True)),
        (["word", "other.name"], "lib.old", (), Replacement("other.name")),
        (["other.name"], "lib.old", ("x",), Replacement()),
        (["sorted"], "lib.old", (), Replacement("sorted")),
        (["a..b", "word"], "lib.old", (), Replacement()),
        ([], "lib.old", (), Replacement()),
    ],
)
def test_replacements(candidates: list[str], path: str, parameters: tuple[str, ...], expected: Replacement) -> None:
    assert find_replacement(candidates, path, parameters, LOOKUP) == expected


@pytest.mark.parametrize(
    ("token", "near", "path"),
    [
        ("lib.old", [], "lib.old"),
        ("np.old()", [], "lib.old"),
        ("Image.affine", [], "lib.Image.affine"),
        ("affine", [], ""),
        ("affine", ["lib.Image.get_affine"], "lib.Image.affine"),
        ("missing", [], ""),
    ],
)
def test_names_in_texts_are_found_by_their_usual_spellings(token: str, near: list[str], path: str) -> None:
    assert LOOKUP.find(LOOKUP.old, token, near) == path
