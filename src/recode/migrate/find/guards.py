"""Branches that already distinguish releases: each is for some releases only, so a use in one needs no change.

`try: import new / except ImportError: import old`, `if hasattr(np, "trapezoid")`, `if Version(np.__version__) >= Version("2")`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from recode.knowledge.hints import RELEASE_CONSTANTS
from recode.migrate.find.flow import Flow

_VERSION_FUNCTIONS = frozenset({"version", "get_distribution", "parse_version", "get_version"})
"""Functions that take a distribution's name and return its release."""
_CONVERTERS = re.compile(
    r"(?i:version|release|pars|compar|cmp|at_?least|older|newer|tuple)"
    r"|^(?:V|int|float|bool|str|list|map|any|all|match|fullmatch|search|findall|split|join)$"
)
"""Functions that convert or compare a release; the result of any other function says nothing about the release."""
_MISSING_MODULE = frozenset({"ImportError", "ModuleNotFoundError"})
IsLibrary = Callable[[ast.expr], bool | None]
IsChanged = Callable[[ast.expr, str], bool]
_BROAD = frozenset({"Exception", "BaseException"})
_FEW = 2
"""A `try` of at most so many statements is about what it tries, rather than about anything that may go wrong."""


@dataclass
class Releases:
    """Decides which conditions of a program test the release of a library, or whether a release has something.

    Args:
        names: a pattern of `recode.knowledge.hints.release_names`.
        is_library: whether an expression is one of the libraries or something in one; None where that is unknown.
        is_changed: whether updates remove a name from what an expression stands for, or add it.
        flow: holds the flags, that is, the names that were computed from releases.
        changed: the paths that updates remove or add.
    """

    names: re.Pattern[str]
    is_library: IsLibrary
    is_changed: IsChanged
    flow: Flow
    changed: Collection[str] = ()

    def distinguishes(self, test: ast.expr) -> bool:
        """Say whether a condition distinguishes releases."""
        # A flag that is called is no flag: `area = getattr(np, "trapezoid", None) or np.trapz`, then `if area(y) > 3`.
        nodes = list(ast.walk(test))
        called = {node.func for node in nodes if isinstance(node, ast.Call)}
        return any(
            self._tests(node)
            for node in nodes
            if node not in called or not (isinstance(node, ast.Name) and self.flow.is_flag(node.id))
        )

    def is_release(self, value: ast.expr) -> bool:
        """Say whether an assigned expression is a release or a comparison of releases, so that its name is a flag.

        Containing a release is not enough: `"numpy {}".format(np.__version__)` is a text.
        """
        match value:
            case ast.Compare():
                if any(isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for operator in value.ops):
                    return self.distinguishes(value)
                return any(map(self.is_release, [value.left, *value.comparators]))
            case ast.BoolOp():
                return any(map(self.is_release, value.values))
            case ast.UnaryOp():
                return self.is_release(value.operand)
            case ast.Attribute() | ast.Subscript():
                return self._tests(value) or self.is_release(value.value)
            case ast.ListComp() | ast.GeneratorExp():
                return any(map(self.is_release, [value.elt, value.generators[0].iter]))
            case ast.Call():
                return self._is_test(value) or self._converts(value)
        return self._tests(value)

    def _converts(self, node: ast.Call) -> bool:
        """Say whether a call converts a release, as in `Version(np.__version__)` or `v.split(".")`, or compares one."""
        name = _leaf(node.func)
        if self.names.search(name) or (isinstance(node.func, ast.Attribute) and self.is_release(node.func.value)):
            return True
        several = name in ("any", "all") and len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple)
        arguments = node.args[0].elts if several else node.args  # type: ignore[attr-defined]
        return _CONVERTERS.search(name) is not None and any(map(self.is_release, arguments))

    def note_assigned(self, target: ast.expr, value: ast.expr) -> None:
        """Flag the names that a release or its parts are assigned to (`major, minor = …`)."""
        if self.is_release(value):
            parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
            for part in parts:
                if isinstance(part, ast.Name):
                    self.flow.flag(part.id)

    def note_imported(self, local: str, name: str, is_library: bool) -> None:
        """Flag the local name under which a library's own release is imported."""
        if is_library and name in RELEASE_CONSTANTS:
            self.flow.flag(local)

    def note_tried(self, node: ast.Try) -> None:
        """Flag the constants that a `try` assigns beside the import of a name that an update removes or adds."""
        imports = [statement for statement in node.body if isinstance(statement, ast.ImportFrom)]
        tried = {f"{statement.module}.{alias.name}" for statement in imports for alias in statement.names}
        if tried.isdisjoint(self.changed):
            return
        for statement in [*node.body, *node.orelse]:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        self.flow.flag(target.id)

    def _tests(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            named = self.flow.is_flag(node.id) or self.names.search(node.id) is not None
            return named or (node.id in RELEASE_CONSTANTS and self.is_library(node) is True)
        if isinstance(node, ast.Attribute):
            # The release of another library, and the `version` of something unknown, say nothing.
            named = self.names.search(node.attr) is not None
            return named or (node.attr in RELEASE_CONSTANTS and self.is_library(node.value) is True)
        return isinstance(node, ast.Call) and self._is_test(node)

    def _is_test(self, node: ast.Call) -> bool:
        """Say whether a call tests if a library has something (`hasattr`, `getattr` with a default), or its release.

        Programs test instances for attributes for many reasons, so there the attribute must be one that updates remove
        or add.
        """
        name = _leaf(node.func)
        first = node.args[0] if node.args else None
        if name in _VERSION_FUNCTIONS and isinstance(first, ast.Constant) and isinstance(first.value, str):
            return self.names.search(f"{first.value.replace('-', '_')}_version") is not None
        wanted = 2 if name == "hasattr" else 3 if name == "getattr" else -1
        if first is None or len(node.args) != wanted:
            return False
        attribute = node.args[1].value if isinstance(node.args[1], ast.Constant) else None
        return self.is_library(first) is True or (isinstance(attribute, str) and self.is_changed(first, attribute))

    def may_lack(self, body: Sequence[ast.stmt]) -> bool:
        """Say whether an attribute that is missing in statements would be a library's, not one such as `self._cache`."""
        attributes = [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Attribute)]
        if any(self.is_changed(node.value, node.attr) for node in attributes):
            return True
        return bool(attributes) and all(self.is_library(node.value) is True for node in attributes)


def as_try(node: ast.With | ast.AsyncWith) -> ast.Try | None:
    """Return the `try` that `with contextlib.suppress(…)` stands for; None for any other `with`."""
    caught = [
        argument
        for item in node.items
        if isinstance(item.context_expr, ast.Call) and _leaf(item.context_expr.func) == "suppress"
        for argument in item.context_expr.args
    ]
    if not caught:
        return None
    handler = ast.ExceptHandler(ast.Tuple(caught, ast.Load()), None, [ast.Pass()])
    return ast.Try(node.body, [handler], [], [])


def imports_any(body: Sequence[ast.stmt], packages: Collection[str]) -> bool:
    """Say whether one of the statements imports from one of the packages."""
    return any(_imports(statement, packages) for statement in body)


def catches_missing(node: ast.Try, packages: Collection[str]) -> bool:
    """Say whether a `try` handles a missing name or module of some packages: body and handlers are for different releases."""
    imports = imports_any(node.body, packages)
    for handler in node.handlers:
        caught = handler.type
        names = set(_BROAD)
        if caught is not None:
            names = {name.id for name in ast.walk(caught) if isinstance(name, ast.Name)}
        about_imports = imports and names & _MISSING_MODULE
        about_names = "AttributeError" in names and len(node.body) <= _FEW
        if about_imports or about_names or (names & _BROAD and imports and _only_binds(node.body)):
            return not _only_raises(handler.body)
    return False


def _imports(node: ast.stmt, packages: Collection[str]) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in packages for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in packages


def _leaf(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _only_binds(body: list[ast.stmt]) -> bool:
    return all(isinstance(statement, ast.Import | ast.ImportFrom | ast.Assign) for statement in body)


def _only_raises(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Raise)
