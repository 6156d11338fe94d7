"""Narrowing an update to the values of a parameter that it is about, by the programs of its source.

An update of `SGDClassifier(loss)` may concern only one value: the parameter still exists, but `loss="log"` has another name.
The programs show which values change.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from recode.collect.walk.public_api import Api
from recode.dataset.sources import SourceUpdate
from recode.source import parse_quietly
from recode.symbol import Symbol

_BY_VALUE = frozenset({"replaced", "deprecated", "removed", "renamed"})


def narrowed(update: SourceUpdate, new: Api | None) -> list[Symbol]:
    """Return the symbols that an update is about: its own, or one for each changed value if the parameter still exists.

    The list is empty where the programs do not show the values.
    """
    symbol = update.old_symbol
    if len(symbol.parameters) != 1 or symbol.values or update.kind not in _BY_VALUE:
        return [update.old_symbol]
    if not _is_left(update, symbol, new):
        return [update.old_symbol]
    [parameter] = symbol.parameters
    found: dict[str, None] = {}
    for program in update.program:
        after = set(_given(program.new, symbol.name, parameter))
        found |= dict.fromkeys(value for value in _given(program.old, symbol.name, parameter) if value not in after)
    return [Symbol(f"{symbol.path}({parameter}={value})") for value in found]


def _is_left(update: SourceUpdate, symbol: Symbol, new: Api | None) -> bool:
    """Say whether the newer release still has the parameter; without its names, whether the new symbol does."""
    known = new.find(symbol.path) if new is not None else None
    if known is not None and known.parameters is not None:
        return any(one.name in symbol.parameters for one in known.parameters)
    after = update.new_symbol
    return after.path == symbol.path and after.parameters == symbol.parameters


def _given(code: str, callee: str, parameter: str) -> Iterator[str]:
    """Yield the constants given for a keyword in the calls of a name, as Python prints them."""
    try:
        tree = parse_quietly(code)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for keyword in node.keywords if name == callee else []:
            if keyword.arg == parameter and isinstance(keyword.value, ast.Constant):
                yield repr(keyword.value.value)
