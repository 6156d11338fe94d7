"""Tests that only compare what one call returns with a literal: the calls are made in the sandbox, and the comparisons here.

Most tests of most benchmarks are of this kind (148 of HumanEval's 164), and they need no second process. What is compared is a decoded copy
made of built-in types; no code of the program or of the test runs here.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from recode.sandbox.guest import _wire

_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_SINGLETONS = (None, True, False)


@dataclass(frozen=True)
class PlainAssert:
    """One assert: a call with literal arguments, and what its value must satisfy."""

    function: str
    question: bytes
    """The encoded call, as the mode `calls` takes it."""
    holds: Callable[[Any], object]
    """Return something true if the value satisfies the assert. May raise what Python's own comparison raises."""
    message: str


class _NotPlain(Exception):
    """The test does something else, too."""


def plain_asserts(tree: ast.Module) -> tuple[PlainAssert, ...]:
    """Return a test's asserts in the order in which they run, or nothing if the test is not of this kind.

    It is if it consists of asserts of the forms `[not] f(…)`, `f(…) == literal` (or another comparison, or `is None`) and
    `abs(f(…) - literal) < literal`, alone or in one function of one parameter that is called with `f`, apart from unused literals.
    """
    try:
        return tuple(_asserts(tree))
    except _NotPlain:
        return ()


def _asserts(tree: ast.Module) -> Iterator[PlainAssert]:
    checks: dict[str, ast.FunctionDef] = {}
    for step in tree.body:
        match step:
            case ast.FunctionDef(name=name) if name not in checks:
                checks[name] = step
            case ast.Expr(ast.Call(func=ast.Name(id=check), args=[ast.Name(id=given)], keywords=[])) if (
                check in checks and given not in checks
            ):
                yield from _of_function(checks[check], given)
            case ast.Assert():
                yield _plain_assert(step, {})
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not _is_read(tree, name):
                _literal(value)
            case _:
                _ignored(step)


def _of_function(check: ast.FunctionDef, given: str) -> Iterator[PlainAssert]:
    arguments = check.args
    if check.decorator_list or len(arguments.args) != 1 or ast.unparse(arguments) != arguments.args[0].arg:
        raise _NotPlain
    for step in check.body:
        if isinstance(step, ast.Assert) and isinstance(step.test, ast.Constant) and step.test.value:
            continue
        if isinstance(step, ast.Assert):
            yield _plain_assert(step, {arguments.args[0].arg: given})
        else:
            _ignored(step)


def _ignored(step: ast.stmt) -> None:
    """Accept a statement without effect."""
    if not (isinstance(step, ast.Pass) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))):
        raise _NotPlain


def _is_read(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load) for node in ast.walk(tree)
    )


def _plain_assert(step: ast.Assert, names: dict[str, str]) -> PlainAssert:
    call, holds = _condition(step.test)
    match call:
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name not in names.values() and all(
            keyword.arg for keyword in keywords
        ):
            given = {keyword.arg: _literal(keyword.value) for keyword in keywords}
            task = names.get(name, name), tuple(map(_literal, args)), given
        case _:
            raise _NotPlain
    try:
        question = _wire.encode(task)
    except _wire.NotPlain:
        raise _NotPlain from None
    message = step.msg.value if isinstance(step.msg, ast.Constant) and isinstance(step.msg.value, str) else ""
    return PlainAssert(task[0], question, holds, message)


def _condition(test: ast.expr) -> tuple[ast.expr, Callable[[Any], object]]:
    """Return the call of an assert, and the condition on its value."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call() as call):
            return call, operator.not_
        case ast.Call():
            return test, bool
        case ast.Compare(
            left=ast.Call(func=ast.Name("abs"), args=[ast.BinOp(call, ast.Sub(), taken)], keywords=[]),
            ops=[op],
            comparators=[bound],
        ):
            compared, less, most = _comparison(op), _literal(taken), _literal(bound)
            return call, lambda value: compared(abs(value - less), most)
        case ast.Compare(left=call, ops=[ast.Is() | ast.IsNot() as op], comparators=[ast.Constant(value)]) if (
            value in _SINGLETONS and type(value) in (bool, type(None))
        ):
            return call, (lambda found: found is value) if isinstance(op, ast.Is) else (
                lambda found: found is not value
            )
        case ast.Compare(left=call, ops=[op], comparators=[other]):
            compared, expected = _comparison(op), _literal(other)
            return call, lambda value: compared(value, expected)
    raise _NotPlain


def _comparison(op: ast.cmpop) -> Callable[[Any, Any], bool]:
    if type(op) not in _COMPARED:
        raise _NotPlain
    return _COMPARED[type(op)]


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise _NotPlain from None
