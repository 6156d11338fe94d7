"""Answers that are tested in their own process: what they may not hold, because it could reach or imitate the test.

Where an item's values cannot leave a process, its test has to run beside the answer, and a program can then do to the test what it likes. So an
answer is tested there only if it holds nothing but plain code over the item's own libraries: every construct that gives a hold on the process
(frames, namespaces, other modules' attributes, files, text run as code) or that makes an object which lies about itself (classes of its own,
operators, masked arrays) is refused, unless the item's own solution holds the same. A refused answer is ungradable; it is never run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from recode.evaluate.judging.answers import parsed

_HARMLESS = frozenset(
    "abc array bisect calendar cmath collections contextlib copy dataclasses datetime decimal enum fractions functools heapq itertools "
    "json math numbers random re statistics string textwrap time typing typing_extensions unicodedata uuid warnings __future__".split()
)
_NAMES = frozenset(
    "__builtins__ __import__ __loader__ __spec__ breakpoint compile delattr dir eval exec exit getattr globals help input locals memoryview "
    "open quit setattr vars".split()
)
_ATTRIBUTES = _NAMES - {"compile"} | frozenset(
    (
        "addaudithook atexit attrgetter bltns builtins cr_frame ctypes ctypeslib eval exec f2py f_back f_builtins f_globals f_locals "
        "faulthandler format format_map Formatter ForwardRef from_file fromfile gc genfromtxt get_field get_type_hints get_value gi_frame "
        "importlib inspect ipc linecache load load_module loads loadtxt marshal memmap methodcaller mock modules os parse_expr pathlib "
        "pickle query read_pickle run_module runpy setattr shutil signal singledispatch singledispatchmethod site subprocess sympify sys "
        "tb_frame tempfile threading traceback types unittest vformat"
    ).split()
)
_MASKS = re.compile(r"ma|mrecords|mstats|recfunctions|Masked(Array|Records)|\w*masked(?!_fill|_scatter|_select)\w*")
"""Ways to numpy's masked arrays: where they are masked they pass every assert of numpy's. Torch's `masked_fill` and its like hide nothing."""
_NAMED_BY_TEXT = ("__", "/proc", "import")


def refusal(answer: str, own: str) -> str | None:
    """Return what an answer holds that it may not, and its line; None where it may be tested in its own process.

    Args:
        answer: the program.
        own: the item's own code (imports, the start it gives, its solution): what that holds, the answer may hold.
    """
    tree = parsed(answer)
    if tree is None:
        # It cannot run at all.
        return None
    allowed = {what for what, _ in _constructs(parsed(own) or ast.Module([], []))}
    for what, line in _constructs(tree):
        if what not in allowed:
            return f"line {line}: {what}"
    return None


def _constructs(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield everything in a program that needs leave, in words, with its line."""
    # A text that is a statement, such as a docstring, goes nowhere.
    idle = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) in idle:
            continue
        for what in _of(node):
            yield what, getattr(node, "lineno", 0)


def _of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"import of {alias.name.split('.')[0]}" for alias in node.names if not _harmless(alias.name))
        # `import a.b as c` gives a hold on every module that a library loads.
        yield from (
            f"import of {part}" for alias in node.names for part in alias.name.split(".")[1:] if _leads_on(part)
        )
    elif isinstance(node, ast.ImportFrom):
        if not _harmless(node.module or ""):
            yield f"import of {(node.module or '.').split('.')[0]}"
        names = [*(node.module or "").split(".")[1:], *(alias.name for alias in node.names)]
        yield from (
            f"import of {name}" for name in names if name == "compile" or _leads_on(name) or name.startswith("_")
        )
    elif isinstance(node, ast.Name):
        # `ma` is among what `from numpy import *` brings.
        if node.id in _NAMES or node.id == "ma":
            yield f"`{node.id}`"
    elif isinstance(node, ast.Attribute):
        if _leads_on(node.attr) or node.attr.startswith("_") or (node.attr == "compile" and not _of_re(node.value)):
            yield f"the attribute `{node.attr}`"
        if not isinstance(node.ctx, ast.Load):
            yield f"a change of the attribute `{node.attr}`"
    elif isinstance(node, ast.ClassDef):
        yield "a class of its own"
        yield from (f"the base class `{ast.unparse(base)}`" for base in node.bases)
        yield from (f"the class option `{keyword.arg}`" for keyword in node.keywords)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if node.name.startswith("__"):
            yield f"the special method `{node.name}`"
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            yield from (f"a text with `{part}`" for part in _NAMED_BY_TEXT if part in text)
    elif isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if (name == "type" and len(node.args) > 1) or name in (
            "make_dataclass",
            "namedtuple",
            "SimpleNamespace",
            "new_class",
        ):
            yield "a class of its own"
    elif isinstance(node, ast.Global):
        yield "a `global` statement"


def _leads_on(name: str) -> bool:
    """Say whether a name of a library leads to a hold on the process, or to values that compare as the answer likes."""
    return name in _ATTRIBUTES or _MASKS.fullmatch(name) is not None


def _of_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _harmless(module: str) -> bool:
    return module.split(".")[0] in _HARMLESS
