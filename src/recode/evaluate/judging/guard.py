"""Constructs that an answer tested in its own process must not contain, because they could reach or imitate the test.

If an item's values cannot leave a process, its test must run in the answer's process, where a program can tamper with the test. So an answer
is tested there only if it is plain code over the item's own libraries. Refused are constructs that give access to the process (frames,
namespaces, other modules' attributes, files, text run as code), that create objects which can lie about themselves (new classes,
operators, masked arrays), or that give the test's names another meaning, unless the item's own solution contains the same. A refused
answer is never run, and counts as failed. A deny-list has holes, so such a verdict guarantees less than others.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from recode.evaluate.judging.answers import parsed

_HARMLESS = frozenset(
    "array bisect calendar cmath collections contextlib copy datetime decimal fractions functools heapq itertools "
    "json math numbers random re statistics string textwrap time typing typing_extensions unicodedata uuid warnings __future__".split()
)
_NAMES = frozenset(
    "__builtins__ __import__ __loader__ __spec__ breakpoint compile delattr dir eval exec exit getattr globals help input locals memoryview "
    "open quit setattr super vars".split()
)
_BUILTINS = frozenset(dir(builtins))
_USUAL = frozenset(
    ("np", "pd", "plt", "nx", "pl", "sp", "numpy", "pandas", "torch", "scipy", "sympy", "networkx", "polars", "math")
)
_CLASS_MAKERS = frozenset(
    "ABCMeta EnumMeta EnumType Enum IntEnum StrEnum Flag IntFlag NamedTuple TypedDict NewType Protocol make_dataclass namedtuple "
    "SimpleNamespace Namespace Bunch new_class prepare_class total_ordering partialmethod".split()
)
"""Names that create a class, or an object with arbitrary attributes."""
_ANSWERS = frozenset(("equals", "equal", "eq", "allclose", "array_equal", "all", "startswith", "endswith"))
_ATTRIBUTES = (
    _NAMES - {"compile"}
    | _CLASS_MAKERS
    | frozenset(
        (
            "addaudithook atexit attrgetter bltns builtins cr_frame ctypes ctypeslib eval exec f2py f_back f_builtins f_globals f_locals "
            "faulthandler format format_map Formatter ForwardRef from_file fromfile gc genfromtxt get_field get_type_hints get_value gi_frame "
            "importlib inspect ipc linecache load load_module loads loadtxt marshal memmap methodcaller mock modules os parse_expr pathlib "
            "pickle query read_pickle run_module runpy setattr shutil signal singledispatch singledispatchmethod site subprocess sympify sys "
            "tb_frame tempfile threading traceback types unittest vformat"
        ).split()
    )
)
_MASKS = re.compile(r"ma|mrecords|mstats|recfunctions|Masked(Array|Records)|\w*masked(?!_fill|_scatter|_select)\w*")
"""Names that lead to numpy's masked arrays, whose masked elements pass all of numpy's asserts. Torch's `masked_fill` etc. hide nothing."""
_NAMED_BY_TEXT = ("__", "/proc", "import")


def refusal(answer: str, own: str, tests: str = "") -> str | None:
    """Return the first forbidden construct in an answer, with its line; None if it may be tested in its own process.

    Args:
        answer: the program.
        own: the item's own code (imports, starter code, solution); the answer may contain any construct in it.
        tests: the item's tests, if they share the answer's namespace; names that they use may only be bound as `own` binds them.
    """
    tree = parsed(answer)
    if tree is None:
        # It cannot run at all.
        return None
    given = parsed(own) or ast.Module([], [])
    allowed = {what for what, _ in _constructs(given)}
    for what, line in _constructs(tree):
        if what not in allowed:
            return f"line {line}: {what}"
    return _rebinding(tree, given, parsed(tests) or ast.Module([], []))


def _rebinding(tree: ast.Module, own: ast.Module, tests: ast.Module) -> str | None:
    """Return a name that affects the meaning of the tests and that the answer rebinds, with its line; None if there is none."""
    imported = {name: module for part in (own, tests) for name, module, _ in _imports(part)}
    own_stars = {(name, module) for name, module, _ in _imports(own) if name == "*"}
    used = {node.id for node in ast.walk(tests) if isinstance(node, ast.Name)}
    defined = {
        node.name for node in ast.walk(own) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    for name, module, line in _imports(tree):
        if imported.get(name, module) != module or (name in _BUILTINS and imported.get(name) != module):
            return f"line {line}: another meaning of `{name}`"
        if name == "*" and ("*", module) not in own_stars:
            # For example, numpy's `all` of a generator is always true.
            return f"line {line}: all names of {module.removesuffix('.*')}"
    for name, line in _bindings(tree):
        decides = name in imported or (name in _BUILTINS and name in used and name not in defined)
        if decides or (name in _USUAL and name in used):
            return f"line {line}: another meaning of `{name}`"
    return None


def _bindings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each name that a statement other than an import binds or deletes, and the line."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id=str(name), ctx=ast.Store() | ast.Del())
                | ast.FunctionDef(name=str(name))
                | ast.AsyncFunctionDef(name=str(name))
                | ast.ClassDef(name=str(name))
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                yield name, node.lineno


def _imports(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Yield each name that an import binds, the object it is bound to, and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    alias.asname or alias.name.split(".")[0],
                    alias.name if alias.asname else alias.name.split(".")[0],
                    node.lineno,
                )
        elif isinstance(node, ast.ImportFrom):
            yield from (
                (alias.asname or alias.name, f"{node.module}.{alias.name}", node.lineno) for alias in node.names
            )


def _constructs(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield a description and the line of each construct that needs permission."""
    # A string that is a statement, such as a docstring, has no effect.
    idle = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    # `type(x) is int` only inspects a class; `type(x)(…)` creates an object, or a class, with it.
    compared = {
        side for node in ast.walk(tree) if isinstance(node, ast.Compare) for side in (node.left, *node.comparators)
    }
    harmless = {side.func for side in compared if isinstance(side, ast.Call) and len(side.args) == 1}
    for node in ast.walk(tree):
        if node in idle:
            continue
        if isinstance(node, ast.Name) and node.id == "type" and node not in harmless:
            yield "`type` other than in a comparison", node.lineno
        for what in _of(node):
            yield what, getattr(node, "lineno", 0)


def _of(node: ast.AST) -> Iterator[str]:
    """Yield a description of each construct in one node that needs permission."""
    match node:
        case ast.Import():
            yield from _of_import(node)
        case ast.ImportFrom():
            yield from _of_import_from(node)
        case ast.Name(id=name) if name in _NAMES or name in _CLASS_MAKERS or name == "ma":
            # `from numpy import *` imports `ma`, too.
            yield f"`{name}`"
        case ast.Attribute():
            yield from _of_attribute(node)
        case ast.ClassDef():
            yield from _of_class(node)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("__"):
            yield f"the special method `{name}`"
        case ast.Constant(value=str() | bytes() as value):
            yield from _of_text(value)
        case ast.Call():
            yield from _of_call(node)
        case ast.Global():
            yield "a `global` statement"


def _of_import(node: ast.Import) -> Iterator[str]:
    yield from (f"import of {alias.name.split('.')[0]}" for alias in node.names if not _harmless(alias.name))
    # `import a.b as c` gives access to every module that a library loads.
    yield from (f"import of {part}" for alias in node.names for part in alias.name.split(".")[1:] if _leads_on(part))


def _of_import_from(node: ast.ImportFrom) -> Iterator[str]:
    if not _harmless(node.module or ""):
        yield f"import of {(node.module or '.').split('.')[0]}"
    names = [*(node.module or "").split(".")[1:], *(alias.name for alias in node.names)]
    yield from (f"import of {name}" for name in names if name == "compile" or _leads_on(name) or name.startswith("_"))


def _of_attribute(node: ast.Attribute) -> Iterator[str]:
    if _leads_on(node.attr) or node.attr.startswith("_") or (node.attr == "compile" and not _of_re(node.value)):
        yield f"the attribute `{node.attr}`"
    if not isinstance(node.ctx, ast.Load):
        yield f"a change of the attribute `{node.attr}`"


def _of_class(node: ast.ClassDef) -> Iterator[str]:
    yield "a new class"
    yield from (f"the base class `{ast.unparse(base)}`" for base in node.bases)
    yield from (f"the class option `{keyword.arg}`" for keyword in node.keywords)


def _of_text(value: str | bytes) -> Iterator[str]:
    text = value if isinstance(value, str) else value.decode("latin-1")
    yield from (f"a text with `{part}`" for part in _NAMED_BY_TEXT if part in text)
    if text and not text.strip("_"):
        yield "a text of underscores, of which special names can be put together"


def _of_call(node: ast.Call) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if (name == "type" and len(node.args) > 1) or name in _CLASS_MAKERS:
        yield "a new class"
    yield from (
        f"an argument `{keyword.arg}` that answers a test" for keyword in node.keywords if keyword.arg in _ANSWERS
    )


def _leads_on(name: str) -> bool:
    """Return whether a library's name gives access to the process, or to values with a comparison of the answer's choice."""
    return name in _ATTRIBUTES or _MASKS.fullmatch(name) is not None


def _of_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _harmless(module: str) -> bool:
    return module.split(".")[0] in _HARMLESS
