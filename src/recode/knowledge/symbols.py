"""The notation for the symbols of updates, as scanning reads it.

`numpy.trapz` is a name, `numpy.ndarray.ptp` a member, `numpy.sum(axis)` a parameter, `numpy.array(copy=False)` one value of it. Kinds of values
can be named: `sqlalchemy.select(columns=[...])` is any list, `"..."` any string, `{...}` any dictionary, `(...)` any generator; nothing
at all, as in `sqlalchemy.MetaData.create_all(bind=)`, is the parameter left out.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

MISSING = "="
"""The value that stands for a parameter that is left out."""
_NOTATION = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_SPLIT = re.compile(r",(?![^\[({]*[\])}])")
_SHAPES: dict[str, tuple[type[ast.expr], ...]] = {
    "[...]": (ast.List, ast.ListComp),
    '"..."': (ast.JoinedStr,),
    "{...}": (ast.Dict, ast.DictComp),
    "(...)": (ast.GeneratorExp,),
}


@dataclass(frozen=True)
class Symbol:
    """A dotted path, the parameters that are meant, and the value meant of each (None: any)."""

    path: str
    parameters: tuple[str, ...] = ()
    values: tuple[str | None, ...] = ()


def parse_symbol(text: str) -> Symbol | None:
    """Parse a symbol; None where the text is not in the notation."""
    match = _NOTATION.fullmatch(text)
    if match is None:
        return None
    names: list[str] = []
    values: list[str | None] = []
    for part in _SPLIT.split(match.group(2) or ""):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name and name != "...":
            names.append(name)
            values.append((value or MISSING) if equals else None)
    return Symbol(match.group(1).strip("."), tuple(names), tuple(values))


def has_value(node: ast.expr, wanted: str) -> bool:
    """Say whether an argument certainly is the value that the notation means."""
    if wanted in _SHAPES:
        is_text = wanted == '"..."' and isinstance(node, ast.Constant) and isinstance(node.value, str)
        return is_text or isinstance(node, _SHAPES[wanted])
    try:
        meant = ast.literal_eval(wanted)
        given = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return type(meant) is type(given) and bool(meant == given)
