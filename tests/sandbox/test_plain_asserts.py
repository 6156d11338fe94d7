"""Tests that only compare values with literals: which they are, and that the verdict is plain Python's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from recode.errors import SandboxError
from recode.sandbox.fork_servers import ForkServer, Interpreter, Limits
from recode.sandbox.levels import best_level
from recode.sandbox.plain_asserts import plain_asserts
from recode.sandbox.second_opinion import TestFacts, facts_of, judge_test

CHECK = "METADATA = {'author': 'x'}\n\ndef check(candidate):\n    assert candidate([1, 2], key=3) == (4,), 'why'\n    assert True\n"


@pytest.mark.parametrize(
    ("test", "count"),
    [
        (f"{CHECK}\ncheck(f)", 1),
        (CHECK, 0),
        ("assert f(1) == 2\nassert not g()\nassert f(2) is None\nassert abs(f(1) - 0.5) < 1e-6\nassert f(1)", 5),
        ("assert f(g(1)) == 2", 0),
        ("assert f(1) == g(1)", 0),
        ("assert f(1) is 5", 0),
        ("assert f(1) == 2 == f(3)", 0),
        ("assert f(*[1]) == 2", 0),
        ("assert f(**{'a': 1}) == 2", 0),
        ("assert f.g(1) == 2", 0),
        ("x = 1\nassert f(x) == 2", 0),
        ("for i in (1, 2):\n    assert f(i) == i", 0),
        ("def check(c, d=1):\n    assert c(1) == 2\ncheck(f)", 0),
        ("def check(c):\n    return\n    assert c(1) == 2\ncheck(f)", 0),
        ("def check(c):\n    assert c(1) == 2\ncheck(f)\ncheck(g)", 2),
        ("import math\nassert f(1) == 2", 0),
        ("print(1)\nassert f(1) == 2", 0),
    ],
)
def test_which_tests_only_compare_with_literals(test: str, count: int) -> None:
    assert len(plain_asserts(ast.parse(test))) == count


def test_names_that_are_not_the_programs_are_left_to_python() -> None:
    for test in ("assert sorted([2, 1]) == [1, 2]", "def f(x):\n    pass\nassert f(1) == 2", "assert isclose(1, 1)"):
        facts = facts_of(test)
        assert isinstance(facts, TestFacts)
        assert not facts.asserts


class _NoServer(ForkServer):
    """A fork server that must not be asked."""

    def ensure_started(self) -> None:
        pass

    def program(self, *_: object, **__: object) -> object:  # type: ignore[override]
        raise AssertionError("a second process was started")


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    try:
        made = ForkServer(Interpreter(), best_level())
    except SandboxError as error:
        pytest.skip(str(error))
    yield made
    made.stop()


PROGRAM = """
import collections
state = []
def f(x): state.append(x); return len(state)
def half(x): return x / 2
def text(x): return str(x)
def nothing(x): return None
def broken(x): raise ValueError(x)
def nan(x): return float("nan")
def keep(x): x.append(1); return x
Pair = collections.namedtuple("Pair", "a b")
class Any:
    def __eq__(self, other): return True
    def __bool__(self): return True
def anything(x): return Any()
def pair(x): return Pair(1, x)
def key(x): return {}[x]
"""
TESTS = [
    "assert f(1) == 1\nassert f(1) == 2",
    "assert f(1) == 2",
    "assert f(1) == 1.0 and f(1) == 2",
    "assert half(1) == 0.5\nassert abs(half(3) - 1.5) < 1e-9\nassert half(4) > 1",
    "assert half(1) is True",
    "assert half(2) == True",
    "assert not nothing(1)\nassert nothing(1) is None\nassert nothing(1) != 1",
    "assert nothing(1) < 3",
    "assert abs(text(1) - 1) < 1",
    "assert broken(1) == 1",
    "assert nan(1) == float('nan')",
    "assert nan(1) != 1",
    "assert keep([]) == [1]\nassert keep([]) == [1]",
    "assert text(1) == '1', 'why'",
    "assert text(1) == '2', 'why'",
    "assert absent(1) == 1",
]


def plainly(test: str) -> bool:
    try:
        exec(f"{PROGRAM}\n{test}", {})
    except Exception:  # noqa: BLE001 (whatever it raises is plain Python's verdict)
        return False
    return True


@pytest.mark.parametrize("test", TESTS)
def test_the_verdict_is_plain_pythons(test: str, server: ForkServer) -> None:
    tester = ForkServer(Interpreter(), server.level)
    try:
        verdict = judge_test(server, tester, PROGRAM, test, Limits())
    finally:
        tester.stop()
    assert (verdict.outcome == "passed") == plainly(test), verdict


def test_plain_values_need_no_second_process(server: ForkServer) -> None:
    nobody = _NoServer(Interpreter(), server.level)
    right = judge_test(server, nobody, PROGRAM, "assert f(1) == 1", Limits())
    wrong = judge_test(server, nobody, PROGRAM, "assert text(1) == '2', 'why'", Limits())
    raised = judge_test(server, nobody, PROGRAM, "assert broken(1) == 1", Limits())
    assert (right.outcome, wrong.outcome, wrong.detail) == ("passed", "failed", "AssertionError: why")
    assert (raised.outcome, raised.detail) == ("failed", "ValueError: 1")
    with pytest.raises(AssertionError):
        judge_test(server, nobody, PROGRAM, "assert pair(2) == (1, 2)", Limits())


def test_an_object_that_equals_everything_is_no_value(server: ForkServer) -> None:
    tester = ForkServer(Interpreter(), server.level)
    try:
        verdict = judge_test(server, tester, PROGRAM, "assert anything(1) == 5", Limits())
    finally:
        tester.stop()
    assert verdict.outcome == "ungradable"
