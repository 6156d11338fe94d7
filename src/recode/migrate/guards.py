"""Branches that already tell releases apart: what stands in them is there for one release only, so nothing has to be done.

`try: import new / except ImportError: import old`, `if hasattr(np, "trapezoid")`, `if Version(np.__version__) >= Version("2")`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection

_VERSION = re.compile(
    r"version|_(?:lt|le|gt|ge|gte|lte|since|before)_?v?\d|_v?\d+_?plus\b|^is_?\w*[a-z]_?v?\d+(?:_\d+)*$|\bhas_|_available\b"
    r"|^(?:np|numpy|pd|pandas|scipy|sp|sklearn|nx|networkx|sqla|sqlalchemy|mpl|pydantic|django)_?v?\d[\d_]*$",
    re.IGNORECASE,
)
_MISSING_MODULE = frozenset({"ImportError", "ModuleNotFoundError"})
IsLibrary = Callable[[ast.expr], bool | None]
_BROAD = frozenset({"Exception", "BaseException"})
_FEW = 2
"""Statements up to which a `try` is about what it tries, and not just about anything that may go wrong."""


def tells_releases_apart(test: ast.expr, flags: Collection[str], is_library: IsLibrary) -> bool:
    """Say whether a condition asks for a release, or for what a release has.

    Args:
        test: the condition.
        flags: names that were computed from releases.
        is_library: says whether an expression is one of the libraries or something of one; None where it is not known.
    """
    for node in ast.walk(test):
        if isinstance(node, ast.Name) and (node.id in flags or _VERSION.search(node.id)):
            return True
        if isinstance(node, ast.Attribute) and _VERSION.search(node.attr) and is_library(_root(node)) is not False:
            return True
        if isinstance(node, ast.Call) and _asks_for(node, is_library):
            return True
    return False


def _root(node: ast.expr) -> ast.expr:
    """Return what a chain of attributes starts from: the release of another library tells nothing."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _asks_for(node: ast.Call, is_library: IsLibrary) -> bool:
    """Say whether a call asks if a library has something: `hasattr`, or `getattr` with a default."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    wanted = 2 if name == "hasattr" else 3 if name == "getattr" else -1
    return len(node.args) == wanted and is_library(node.args[0]) is True


def asks_version(value: ast.expr, flags: Collection[str], is_library: IsLibrary) -> bool:
    """Say whether an assigned expression is a release or a comparison of releases, so that its name is a flag."""
    if isinstance(value, ast.Constant | ast.Name):
        return isinstance(value, ast.Name) and value.id in flags
    for node in ast.walk(value):
        if isinstance(node, ast.Attribute) and node.attr in ("__version__", "VERSION", "version_info"):
            return is_library(_root(node)) is not False
        if isinstance(node, ast.Name) and (node.id in flags or node.id == "__version__"):
            return isinstance(value, ast.Compare | ast.Call | ast.BoolOp | ast.UnaryOp)
        if isinstance(node, ast.Call) and _asks_for(node, is_library):
            return True
    return False


def catches_missing(node: ast.Try, packages: Collection[str]) -> bool:
    """Say whether a `try` goes on where a name or module of some packages is missing: body and handlers are for different releases."""
    imports = any(_imports(one, packages) for one in node.body)
    for handler in node.handlers:
        caught = handler.type
        names = {one.id for one in ast.walk(caught) if isinstance(one, ast.Name)} if caught is not None else set(_BROAD)
        about_imports = imports and names & _MISSING_MODULE
        about_names = "AttributeError" in names and len(node.body) <= _FEW
        if about_imports or about_names or (names & _BROAD and imports and _only_binds(node.body)):
            return not _only_raises(handler.body)
    return False


def _imports(node: ast.stmt, packages: Collection[str]) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in packages for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in packages


def _only_binds(body: list[ast.stmt]) -> bool:
    return all(isinstance(one, ast.Import | ast.ImportFrom | ast.Assign) for one in body)


def _only_raises(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Raise)
