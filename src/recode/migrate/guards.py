"""Branches that already tell releases apart: what stands in them is there for one release only, so nothing has to be done.

`try: import new / except ImportError: import old`, `if hasattr(np, "trapezoid")`, `if Version(np.__version__) >= Version("2")`.
"""

from __future__ import annotations

import ast
import re

_VERSION = re.compile(
    r"version|_(?:lt|le|gt|ge|gte|lte|since|before)_?v?\d|_v?\d+_?plus\b|^is_?\w*[a-z]_?v?\d+(?:_\d+)*$|\bhas_|_available\b"
    r"|^(?:np|numpy|pd|pandas|scipy|sp|sklearn|nx|networkx|sqla|sqlalchemy|mpl|pydantic|django)_?v?\d[\d_]*$",
    re.IGNORECASE,
)
_MISSING = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError"})
_BROAD = frozenset({"Exception", "BaseException"})
_FEW = 6
"""Statements up to which a `try` is about what it tries, and not just about anything that may go wrong."""


def tells_releases_apart(test: ast.expr, flags: frozenset[str] | set[str] = frozenset()) -> bool:
    """Say whether a condition asks for a release, or for what a release has; `flags` are names that were computed so."""
    for node in ast.walk(test):
        if isinstance(node, ast.Name) and (node.id in flags or _VERSION.search(node.id)):
            return True
        if isinstance(node, ast.Attribute) and _VERSION.search(node.attr):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and _asks_for(node.func.id, node):
            return True
    return False


def _asks_for(name: str, node: ast.Call) -> bool:
    """Say whether a call asks if something is there: `hasattr`, or `getattr` with a default."""
    return name == "hasattr" or (name == "getattr" and len(node.args) == 3)


def asks_version(value: ast.expr, flags: frozenset[str] | set[str]) -> bool:
    """Say whether an assigned expression is a release or a comparison of releases, so that its name is a flag."""
    if isinstance(value, ast.Constant | ast.Name):
        return isinstance(value, ast.Name) and value.id in flags
    for node in ast.walk(value):
        if isinstance(node, ast.Attribute) and node.attr in ("__version__", "VERSION", "version_info"):
            return True
        if isinstance(node, ast.Name) and (node.id in flags or node.id == "__version__"):
            return isinstance(value, ast.Compare | ast.Call | ast.BoolOp | ast.UnaryOp)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and _asks_for(node.func.id, node):
            return True
    return False


def catches_missing(node: ast.Try) -> bool:
    """Say whether a `try` goes on where a name or module is missing: its body and its handlers are for different releases."""
    for handler in node.handlers:
        caught = handler.type
        names = {one.id for one in ast.walk(caught) if isinstance(one, ast.Name)} if caught is not None else set(_BROAD)
        if (names & _MISSING and len(node.body) <= _FEW) or (names & _BROAD and _only_binds(node.body)):
            return not _only_raises(handler.body)
    return False


def _only_binds(body: list[ast.stmt]) -> bool:
    return all(isinstance(one, ast.Import | ast.ImportFrom | ast.Assign) for one in body)


def _only_raises(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Raise)
