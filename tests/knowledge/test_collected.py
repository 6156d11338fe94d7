"""Dates of collected updates: from the releases that were walked, where texts give none or contradict them."""

from __future__ import annotations

import pytest

from recode.collect.join.families import UpdateFamily
from recode.collect.walk.public_api import UNKNOWN, Api, Name, Parameter, ParameterKind
from recode.knowledge.collected import Dates, collected_updates
from recode.records import ApiUpdate, Evidence, Kind
from recode.symbol import Symbol


def api(version: str, **functions: str) -> Api:
    names = []
    for name, parameters in functions.items():
        given = tuple(Parameter(one, ParameterKind.POSITIONAL_OR_KEYWORD, None) for one in parameters.split())
        names.append(Name((f"lib.{name}",), "function", UNKNOWN, frozenset(), frozenset(), {}, given))
    return Api("lib", version, tuple(names), {"lib": "lib/__init__.py"}, {})


RELEASES = [
    api("1.0", f="a b c", gone=""), api("2.0", f="a b", gone=""), api("3.0", f="new a b"), api("4.0", f="new a b"),
]  # fmt: skip


def dated(kind: Kind, symbol: str, removed_in: str = "") -> str:
    evidence = Evidence(source="signature", package_version="1.0", file="lib/__init__.py", line=1, quote="f(a, b, c)")
    update = ApiUpdate(
        family_id="lib-x", library="lib", old_version="1.0", new_version="4.0", kind=kind, old_symbol=Symbol(symbol),
        new_symbol=Symbol(), removed_in=removed_in, description="d", update_info="i", evidence=(evidence,),
    )  # fmt: skip
    family = UpdateFamily(update=update, confidence="medium")
    [found] = collected_updates([family], Dates(RELEASES[0], RELEASES[1:]))
    return found.removed_in


@pytest.mark.parametrize(
    ("kind", "symbol", "removed_in", "expected"),
    [
        ("removed", "lib.gone", "", "3.0"),
        ("removed", "lib.gone", "2.1", "2.1"),
        ("removed", "lib.gone", "1.5", "3.0"),
        ("removed", "lib.gone", "9.0", "3.0"),
        ("parameter_removed", "lib.f(c)", "", "2.0"),
        ("parameter_removed", "lib.f(c)", "1.9", "1.9"),
        ("keyword_only", "lib.f(a, b)", "", "3.0"),
    ],
)
def test_dates(kind: Kind, symbol: str, removed_in: str, expected: str) -> None:
    assert dated(kind, symbol, removed_in) == expected
