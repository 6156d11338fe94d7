from __future__ import annotations

import ast
import copy
import pickle

import pytest
from pydantic import BaseModel

from recode.symbol import Argument, Symbol, ValueKind, written


@pytest.mark.parametrize(
    ("text", "path", "parameters", "values"),
    [
        ("", "", (), ()),
        (" ", "", (), ()),
        ("numpy.trapz", "numpy.trapz", (), ()),
        ("numpy.ndarray.ptp()", "numpy.ndarray.ptp", (), ()),
        ("asyncio.async", "asyncio.async", (), ()),
        ("numpy.sum(axis)", "numpy.sum", ("axis",), ()),
        ("a.f(x, y=)", "a.f", ("x", "y"), ()),
        ("a.f(y=, x)", "a.f", ("y", "x"), ()),
        ("a.f(*args, **options)", "a.f", ("args", "options"), ()),
        ("a.f(...)", "a.f", (), ()),
        ("a.f(x=..., y=...)", "a.f", ("x", "y"), ()),
        ("a.f(kind='old')", "a.f", ("kind",), ("old",)),
        ("a.f(kind='old, new', x)", "a.f", ("kind", "x"), ("old, new",)),
        ("a.f(kind='f(x')", "a.f", ("kind",), ("f(x",)),
        ("a.f(copy=False)", "a.f", ("copy",), ("False",)),
        ("a.f(columns=[a, b], axis)", "a.f", ("columns", "axis"), ()),
        ("a.f(x=g(1, (2, 3)))", "a.f", ("x",), ()),
        ('a.f("M")', "a.f", (), ("M",)),
        ("a.f(None)", "a.f", (), ("None",)),
    ],
)
def test_notation(text: str, path: str, parameters: tuple[str, ...], values: tuple[str, ...]) -> None:
    symbol = Symbol(text)
    assert (symbol, symbol.path, symbol.parameters, symbol.values) == (text, path, parameters, values)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("numpy trapz", "not a dotted path"),
        ("(axis)", "not a dotted path"),
        ("numpy.sum(axis", "not a dotted path"),
        ("a-b", "not a dotted path"),
        ("a..b", "not a dotted path"),
        ("nx.a / nx.b", "not a dotted path"),
        ("a.f(x).y", "not a dotted path"),
        ("a.f(x)(y)", "not a parameter"),
        ("a.f(x y)", "not a parameter"),
        ("a.f(" + "[," * 10_000, "20004 characters"),
        ("a.f(x=[1, 2)", "not a parameter"),
    ],
)
def test_other_notations_are_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Symbol(text)


def test_parts_of_a_path() -> None:
    method = Symbol("numpy.ndarray.ptp(axis)")
    assert (method.package, method.parent, method.name, method.parameter) == ("numpy", "numpy.ndarray", "ptp", "axis")
    assert method.of_class
    assert not Symbol("numpy.linalg.inv").of_class
    assert method.is_call
    assert not Symbol("numpy.ndarray.ptp").is_call


@pytest.mark.parametrize(
    ("text", "simple"),
    [("a.f", True), ("a.f(x)", True), ("", False), ("a.f(x, y)", False), ("a.f(x=1)", False), ("a.f(*x)", False), ("a.f(1)", False)],
)  # fmt: skip
def test_a_simple_symbol_is_a_path_or_one_parameter(text: str, simple: bool) -> None:
    assert Symbol(text).is_simple is simple


def test_leaves_tell_it_from_others_and_words_are_all_that_is_mentioned() -> None:
    assert Symbol("a.f").leaves == {"f"}
    assert Symbol("a.f(x='v')").leaves == {"x"}
    assert Symbol("a.f(x='v')").words == {"f", "x", "v"}
    assert Symbol("").words == frozenset()


@pytest.mark.parametrize(
    ("value", "accepted", "refused"),
    [
        ("...", ["1", "x", "[a]"], []),
        ("False", ["False"], ["0", "x", "True"]),
        ("1", ["1"], ["True", "1.0"]),
        ("'old'", ["'old'"], ["'new'", "old"]),
        ("(1, 2)", ["(1, 2)"], ["[1, 2]", "(1, x)"]),
        ('"..."', ["'text'", "f'{x}'"], ["x", "1"]),
        ("[...]", ["[1]", "[x for x in y]"], ["(1,)", "list(y)"]),
        ("{...}", ["{1: 2}", "{x: 1 for x in y}"], ["{1}"]),
        ("(...)", ["(x for x in y)"], ["[x for x in y]", "(1,)"]),
        ("", [], ["1", "x"]),
        ("numpy.float", [], ["numpy.float"]),
    ],
)
def test_values_are_recognized_in_a_program(value: str, accepted: list[str], refused: list[str]) -> None:
    (argument,) = Symbol(f"a.f(x={value})").arguments
    for texts, verdict in ((accepted, True), (refused, False)):
        for text in texts:
            assert argument.accepts(ast.parse(text, mode="eval").body) is verdict, text


@pytest.mark.filterwarnings("error")
def test_escapes_in_values_warn_of_nothing() -> None:
    symbol = Symbol(r"a.f(sep='\d+')")
    assert symbol.values == (r"\d+",)
    assert symbol.arguments[0].accepts(ast.parse(repr(r"\d+"), mode="eval").body)


def test_a_number_too_long_for_decimal_has_no_text() -> None:
    assert Symbol(f"a.f(x=0x{'f' * 5000})").words == {"f", "x"}


def test_it_is_its_text_and_stays_parsed_when_copied() -> None:
    symbol = Symbol("a.f(*x)")
    assert Symbol(symbol) is symbol
    for again in (copy.deepcopy(symbol), pickle.loads(pickle.dumps(symbol))):
        assert again == "a.f(*x)"
        assert again.arguments == (Argument("x", "*", ValueKind.ANY),)


def test_fields_of_records_are_parsed_and_written_as_text() -> None:
    class Row(BaseModel):
        symbol: Symbol

    row = Row.model_validate_json('{"symbol": "a.f(x)"}', strict=True)
    assert row.symbol.parameters == ("x",)
    assert row.model_dump_json() == '{"symbol":"a.f(x)"}'
    assert Row(symbol="a.f(x)") == row  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a dotted path"):
        Row.model_validate({"symbol": "a b"})


def test_a_symbol_is_written_from_its_parts() -> None:
    assert written("a.f", ("x", "y")) == "a.f(x, y)"
    assert written("a.f") == "a.f"
