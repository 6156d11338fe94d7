"""Branches that already tell releases apart: what stands in them is there for one release only, so nothing has to be done.

`try: import new / except ImportError: import old`, `if hasattr(np, "trapezoid")`, `if Version(np.__version__) >= Version("2")`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from recode.migrate.find.abstract_values import Scope

_ALIASES = {
    "Bio": ("biopython",), "PIL": ("pillow",), "django": ("dj",), "matplotlib": ("mpl",), "networkx": ("nx",), "numpy": ("np",),
    "pandas": ("pd",), "polars": ("pl",), "scipy": ("sp",), "skimage": ("scikit_image",), "sklearn": ("scikit_learn", "skl"),
    "sqlalchemy": ("sqla", "sa"), "xarray": ("xr",),
}  # fmt: skip
"""Import name → what else programs call the library in names of their own."""
_SHORT = 3
"""Letters up to which a library's word with a number alone says nothing: `nx2` may count anything."""
_COMPARED = r"(?:lte?|gte?|le|ge|eq|since|before|above|below|under|over|at_?least|v)"
_VERSIONS = frozenset({"__version__", "VERSION", "__version_info__", "version_info", "version", "version_tuple"})
_ASKED = frozenset({"version", "get_distribution", "parse_version", "get_version"})
"""Functions that take a distribution's name and give its release."""
_READERS = re.compile(
    r"(?i:version|release|pars|compar|cmp|at_?least|older|newer|tuple)"
    r"|^(?:V|int|float|bool|str|list|map|any|all|match|fullmatch|search|findall|split|join)$"
)
"""Functions that make a release of a release, or compare one: what any other function makes of it tells nothing."""
_MISSING_MODULE = frozenset({"ImportError", "ModuleNotFoundError"})
IsLibrary = Callable[[ast.expr], bool | None]
IsChanged = Callable[[ast.expr, str], bool]
_BROAD = frozenset({"Exception", "BaseException"})
_FEW = 2
"""Statements up to which a `try` is about what it tries, and not just about anything that may go wrong."""


def release_names(packages: Collection[str]) -> re.Pattern[str]:
    """Return a pattern of names that can only be about the release of some packages: `np_version`, `NUMPY_GE_2`, `pydantic_v2`.

    Without the library's own word no name will do: `has_header`, `is_float32`, `n_gt_0` and `conversion` ask for something else.
    """
    words = sorted({word for name in packages for word in (name, *_ALIASES.get(name, ()))})
    if not words:
        return re.compile(r"(?!)")
    every, long = (
        "|".join(map(re.escape, some)) for some in (words, [one for one in words if len(one) > _SHORT] or words)
    )
    number = r"[1-9]\d*(?:[_p]\d+)*(?:_?plus|_?x|_or_\w+)?$"
    return re.compile(
        rf"(?:^|_|^is|^has)(?:(?:{every})_?version(?:$|_|info|s$|\d)|version_(?:{every})(?:$|_)"
        rf"|(?:{every})_?{_COMPARED}_?v?{number}|(?:{long})_?{number})",
        re.IGNORECASE,
    )


@dataclass
class Releases:
    """Which conditions of a program ask for the release of a library, or for what a release has.

    `names` is a pattern of `release_names`; `is_library` says whether an expression is one of the libraries or something of one (None
    where that is not known), `is_changed` whether updates take a name away from what an expression stands for, or bring it; `scope`
    gives the scope that is read, which holds the flags: names that were computed from releases; `changed` are the paths that
    updates take away or bring.
    """

    names: re.Pattern[str]
    is_library: IsLibrary
    is_changed: IsChanged
    scope: Callable[[], Scope]
    changed: Collection[str] = ()

    def tells_apart(self, test: ast.expr) -> bool:
        """Say whether a condition tells releases apart."""
        # What is called is no flag: `area = getattr(np, "trapezoid", None) or np.trapz` and then `if area(y) > 3`.
        called = {id(node.func) for node in ast.walk(test) if isinstance(node, ast.Call)}
        return any(
            self._asks(node)
            for node in ast.walk(test)
            if id(node) not in called or not (isinstance(node, ast.Name) and self.scope().is_flag(node.id))
        )

    def asks(self, value: ast.expr) -> bool:
        """Say whether an assigned expression is a release or a comparison of releases, so that its name is a flag.

        That a release stands somewhere in it is not enough: `"numpy {}".format(np.__version__)` is a text.
        """
        match value:
            case ast.Compare():
                ordered = any(isinstance(one, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for one in value.ops)
                return self.tells_apart(value) if ordered else any(map(self.asks, [value.left, *value.comparators]))
            case ast.BoolOp():
                return any(map(self.asks, value.values))
            case ast.UnaryOp():
                return self.asks(value.operand)
            case ast.Attribute() | ast.Subscript():
                return self._asks(value) or self.asks(value.value)
            case ast.ListComp() | ast.GeneratorExp():
                return any(map(self.asks, [value.elt, value.generators[0].iter]))
            case ast.Call():
                return self._asks_for(value) or self._reads(value)
        return self._asks(value)

    def _reads(self, node: ast.Call) -> bool:
        """Say whether a call makes a release of a release: `Version(np.__version__)`, `v.split(".")`; or compares one."""
        name = _leaf(node.func)
        if self.names.search(name) or (isinstance(node.func, ast.Attribute) and self.asks(node.func.value)):
            return True
        several = name in ("any", "all") and len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple)
        arguments = node.args[0].elts if several else node.args  # type: ignore[attr-defined]
        return _READERS.search(name) is not None and any(map(self.asks, arguments))

    def note_assigned(self, target: ast.expr, value: ast.expr) -> None:
        """Take the names that a release is assigned to as flags, also as its parts: `major, minor = …`."""
        if self.asks(value):
            parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
            for one in parts:
                if isinstance(one, ast.Name):
                    self.scope().flag(one.id)

    def note_imported(self, local: str, name: str, is_library: bool) -> None:
        """Take a library's own release as a flag, under whatever name it is imported."""
        if is_library and name in _VERSIONS:
            self.scope().flag(local)

    def note_tried(self, node: ast.Try) -> None:
        """Take as flags what a `try` assigns beside the import of a name that an update takes away or brings."""
        tried = {
            f"{one.module}.{alias.name}" for one in node.body if isinstance(one, ast.ImportFrom) for alias in one.names
        }
        if tried.isdisjoint(self.changed):
            return
        for one in [*node.body, *node.orelse]:
            if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant):
                for target in one.targets:
                    if isinstance(target, ast.Name):
                        self.scope().flag(target.id)

    def _asks(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            named = self.scope().is_flag(node.id) or self.names.search(node.id) is not None
            return named or (node.id in _VERSIONS and self.is_library(node) is True)
        if isinstance(node, ast.Attribute):
            # The release of another library, and a `version` of nobody knows what, tells nothing.
            named = self.names.search(node.attr) is not None
            return named or (node.attr in _VERSIONS and self.is_library(node.value) is True)
        return isinstance(node, ast.Call) and self._asks_for(node)

    def _asks_for(self, node: ast.Call) -> bool:
        """Say whether a call asks if a library has something (`hasattr`, `getattr` with a default), or which release is installed.

        Of an instance any program asks what it has, so there it has to be something that updates take away or bring.
        """
        name = _leaf(node.func)
        first = node.args[0] if node.args else None
        if name in _ASKED and isinstance(first, ast.Constant) and isinstance(first.value, str):
            return self.names.search(f"{first.value.replace('-', '_')}_version") is not None
        wanted = 2 if name == "hasattr" else 3 if name == "getattr" else -1
        if first is None or len(node.args) != wanted:
            return False
        what = node.args[1].value if isinstance(node.args[1], ast.Constant) else None
        return self.is_library(first) is True or (isinstance(what, str) and self.is_changed(first, what))

    def may_lack(self, body: Sequence[ast.stmt]) -> bool:
        """Say whether an attribute that statements may lack is a library's, and not one of the program's own, such as `self._cache`."""
        attributes = [one for statement in body for one in ast.walk(statement) if isinstance(one, ast.Attribute)]
        if any(self.is_changed(one.value, one.attr) for one in attributes):
            return True
        return bool(attributes) and all(self.is_library(one.value) is True for one in attributes)


def as_try(node: ast.With | ast.AsyncWith) -> ast.Try | None:
    """Return the `try` that `with contextlib.suppress(…)` is short for; None for any other `with`."""
    caught = [
        one
        for item in node.items
        if isinstance(item.context_expr, ast.Call) and _leaf(item.context_expr.func) == "suppress"
        for one in item.context_expr.args
    ]
    if not caught:
        return None
    handler = ast.ExceptHandler(ast.Tuple(caught, ast.Load()), None, [ast.Pass()])
    return ast.Try(node.body, [handler], [], [])


def imports_any(body: Sequence[ast.stmt], packages: Collection[str]) -> bool:
    """Say whether one of some statements imports from some packages."""
    return any(_imports(one, packages) for one in body)


def catches_missing(node: ast.Try, packages: Collection[str]) -> bool:
    """Say whether a `try` goes on where a name or module of some packages is missing: body and handlers are for different releases."""
    imports = imports_any(node.body, packages)
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


def _leaf(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _only_binds(body: list[ast.stmt]) -> bool:
    return all(isinstance(one, ast.Import | ast.ImportFrom | ast.Assign) for one in body)


def _only_raises(body: list[ast.stmt]) -> bool:
    return isinstance(body[-1], ast.Raise)
