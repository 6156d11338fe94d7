"""Lists a library's public names, from within its own environment.

`public_api.py` runs this file as a program there, so it uses only the standard library of the oldest supported Python. The host appends
the last statement: a call of `walk` or `print_probe`. Output is compressed and cut into parts, because a program's output is limited.
"""

from __future__ import annotations

import ast
import base64
import builtins
import contextlib
import dis
import importlib
import inspect
import io
import json
import os
import pkgutil
import re
import sys
import types
import warnings
import zlib
from collections.abc import Callable
from typing import Any

SKIPPED = {
    "tests",
    "test",
    "conftest",
    "setup",
    "benchmarks",
    "examples",
    "__main__",
    "_pytest",
    "pytest_plugin",
}
VALUES = (int, str, bytes, bool, type(None), tuple, frozenset, complex)
"""Types of constants that are compared by value, since importing one from two modules may give two objects."""
NOT_API = {"typing", "typing_extensions", "__future__", "logging"}
"""Modules that define type variables, loggers and the like: a module's tools, not names of its API."""
NOISE = {"TYPE_CHECKING", "annotations", "absolute_import", "division", "print_function", "unicode_literals"}
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+| object>")
SIGNATURE = re.compile(r"^\s*(?:[\w.]+)?(\((?:[^()]|\([^()]*\))*\))")


class Walk:
    """The public names of one package, grouped by the object that they lead to.

    `failures` maps modules that cannot be imported to the reason, `unreadable` names whose objects raise when they are looked at.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.modules: dict[str, types.ModuleType] = {}
        self.failures: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        self.found: dict[object, dict[str, Any]] = {}
        self.classes: dict[tuple[int, str], dict[str, Any]] = {}
        self.keep: list[object] = []  # Objects whose `id` is a key must stay alive.

    def load(self) -> None:
        root = importlib.import_module(self.package)
        self.modules[self.package] = root
        self.load_below(self.package, root)
        for name, module in sorted(sys.modules.items()):
            if self.is_inside(name) and is_public(name) and is_module(module):
                self.modules.setdefault(name, module)
        # The root may contain a module under another name: in numpy 1, `numpy.char` is `numpy.core.defchararray`.
        for name, module in sorted(vars(root).items()):
            if is_module(module) and not name.startswith("_") and self.is_inside(module.__name__):
                self.modules.setdefault(self.package + "." + name, module)

    def is_inside(self, name: str) -> bool:
        return name.startswith(self.package + ".")

    def load_below(self, parent: str, module: types.ModuleType) -> None:
        for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
            name = parent + "." + info.name
            if not is_public(name) or name in self.modules:
                continue
            try:
                child = importlib.import_module(name)
            except BaseException as error:  # a module may do anything at import; the others are still wanted
                self.failures[name] = reason(error)
                continue
            if is_module(child):
                self.modules[name] = child
                self.load_below(name, child)

    def owns(self, value: object) -> bool:
        module = getattr(value, "__module__", None)
        return isinstance(module, str) and module.partition(".")[0] in (self.package, "_" + self.package)

    def list_module(self, name: str, module: types.ModuleType) -> None:
        listed = getattr(module, "__all__", None)
        listed = {one for one in listed if isinstance(one, str)} if isinstance(listed, (list, tuple, set)) else None
        names = set(module_names(module)) | (listed or set())
        for leaf in sorted(names):
            if leaf.startswith("_") or leaf in NOISE:
                continue
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                try:
                    value = getattr(module, leaf)
                except BaseException:
                    continue
            messages = [str(one.message) for one in seen if is_deprecation(one.category)]
            try:
                if self.wanted(leaf, value, listed):
                    self.add(name + "." + leaf, value, listed, messages[:1])
            except BaseException as error:  # a lazy proxy may raise at any access
                self.unreadable[name + "." + leaf] = reason(error)

    def wanted(self, leaf: str, value: object, listed: set[str] | None) -> bool:
        if isinstance(value, types.ModuleType):
            return False
        if listed is not None and leaf in listed:
            return True
        if not inspect.isclass(value) and type(value).__module__ in NOT_API:
            return False
        if inspect.isclass(value) or inspect.isroutine(value):
            return self.owns(value) or (is_homeless(value) and not hasattr(builtins, leaf))
        # An object of the package's own (a ufunc, a singleton) or a plain constant; where there is an `__all__`, only what it lists.
        return listed is None and (self.owns(value) or self.owns(type(value)) or isinstance(value, (*VALUES, float)))

    def add(self, path: str, value: object, listed: set[str] | None, messages: list[str]) -> None:
        key: object = id(value)
        if isinstance(value, VALUES):
            key = path.rpartition(".")[2] + "=" + repr(value)[:200]
        if key not in self.found:
            described = self.describe(value)
            self.keep.append(value)
            self.found[key] = described
        record = self.found[key]
        record["paths"].append(path)
        # Where a module has an `__all__`, all other names are hidden.
        if listed is not None:
            record["listed" if path.rpartition(".")[2] in listed else "hidden"].append(path)
        if messages:
            record["warnings"][path] = messages[0][:500]

    def describe(self, value: Any) -> dict[str, Any]:
        record = {"paths": [], "listed": [], "hidden": [], "warnings": {}, **definition(value)}
        if message := refusal(value):
            record["refuses"] = message
        record["module"] = str(getattr(value, "__module__", None) or "")
        if inspect.isclass(value):
            record["kind"] = "class"
            record["defined"] = value.__module__ + ":" + value.__qualname__
            record["parameters"] = None if is_enum(value) else parameters(value)
            record["members"], record["inherited"] = self.members(value)
        elif inspect.isroutine(value) or callable(value):
            record["kind"] = "function"
            record["parameters"] = parameters(value)
        else:
            record["kind"] = "constant"
        return record

    def members(self, cls: type) -> tuple[dict[str, Any], list[str]]:
        members, inherited = {}, []
        for name in sorted(set(dir(cls))):
            if name.startswith("_"):
                continue
            owner = next((base for base in inspect.getmro(cls) if name in vars(base)), None)
            if owner is None or not self.owns(owner):
                inherited.append(name)
                continue
            value = vars(owner)[name]
            members[name] = {"owner": owner.__module__ + ":" + owner.__qualname__, **self.member(name, value, owner)}
        return members, inherited

    def member(self, name: str, value: Any, owner: type) -> dict[str, Any]:
        key = (id(owner), name)
        if key not in self.classes:
            function = getattr(value, "__func__", value)
            kind = "attribute"
            if isinstance(value, property) or type(value).__name__ in ("cached_property", "getset_descriptor"):
                kind, function = "property", getattr(value, "fget", None) or getattr(value, "func", None)
            elif inspect.isroutine(value) or isinstance(value, (staticmethod, classmethod)):
                kind = "method"
            elif inspect.isclass(value):
                kind, function = "attribute", None
            described = {"kind": kind, **(definition(function) if function is not None else {})}
            if kind == "method" and (message := refusal(function)):
                described["refuses"] = message
            if kind == "method":
                described["parameters"] = parameters(function, bound=not isinstance(value, staticmethod))
            self.classes[key] = described
        return self.classes[key]


def reason(error: BaseException) -> str:
    try:
        return (type(error).__name__ + ": " + str(error))[:200]
    except BaseException:  # the exception's own text may raise
        return type(error).__name__


def is_module(value: object) -> bool:
    """By the type, not by `isinstance`, which asks a lazy proxy for its target, and so may raise."""
    return issubclass(type(value), types.ModuleType)


def is_public(name: str) -> bool:
    return not any(part.startswith("_") or part in SKIPPED or part.startswith("test_") for part in name.split("."))


def is_homeless(value: object) -> bool:
    """Functions and classes of extension modules may lack `__module__`, or name a module that cannot be imported."""
    module = getattr(value, "__module__", None)
    return not isinstance(module, str) or module == "builtins" or module.partition(".")[0] not in sys.modules


def is_deprecation(category: type) -> bool:
    """Some libraries derive their own category from UserWarning, so that users see it; then its name decides."""
    return issubclass(category, (DeprecationWarning, FutureWarning)) or "deprecat" in category.__name__.lower()


def module_names(module: types.ModuleType) -> list[str]:
    try:
        return [name for name in dir(module) if isinstance(name, str)]
    except BaseException:
        return list(vars(module))


def is_enum(cls: type) -> bool:
    return any(base.__module__ == "enum" for base in inspect.getmro(cls))


def definition(value: Any) -> dict[str, Any]:
    """Where an object is defined: file below site-packages, line, qualified name; unknown ones are left out."""
    found: dict[str, Any] = {}
    try:
        inner = inspect.unwrap(value) if callable(value) and not inspect.isclass(value) else value
    except BaseException:
        inner = value
    qualname = getattr(inner, "__qualname__", None)
    if isinstance(qualname, str) and "<" not in qualname:
        found["qualname"] = qualname
    code = code_of(inner)
    if inspect.isclass(inner):
        codes = [code_of(one) for one in list(vars(inner).values())]  # looking at one may add others
        own = (
            [one for one in codes if one is not None and qualified(one).startswith(str(qualname) + ".")]
            if codes
            else []
        )
        code = min(own, key=lambda one: one.co_firstlineno, default=None)
        if code is None:
            file = getattr(sys.modules.get(inner.__module__), "__file__", None)
            return {**found, **({"file": below(file)} if file else {})}
    if code is not None:
        found["file"], found["line"] = below(code.co_filename), code.co_firstlineno
    return found


def code_of(value: object) -> types.CodeType | None:
    """An object that makes up its attributes, such as `polars.col`, has a `__code__` that is none."""
    code = getattr(value, "__code__", None)
    return code if isinstance(code, types.CodeType) else None


def qualified(code: types.CodeType) -> str:
    return getattr(code, "co_qualname", "")  # Python 3.11 has it


def refusal(value: object) -> str:
    """The message of a callable that only raises, whatever it is given; empty for any other, and for abstract ones."""
    if inspect.isclass(value):
        value = vars(value).get("__init__") or vars(value).get("__new__")
    try:
        function = inspect.unwrap(getattr(value, "__func__", value))  # type: ignore[arg-type]
    except BaseException:
        return ""
    return raised_by(function, 3) if isinstance(function, types.FunctionType) else ""


def raised_by(function: types.FunctionType, depth: int) -> str:
    """The message that a function raises in the end, itself or through one that it calls first of all; else empty."""
    code = function.__code__
    is_plain = not code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
    if not is_plain or "NotImplementedError" in code.co_names or len(code.co_code) > 1000:
        return ""
    steps = list(dis.get_instructions(code))
    if any("BACKWARD" in one.opname or one.opname in ("FOR_ITER", "JUMP_ABSOLUTE") for one in steps):
        return ""
    returns = [one for one in steps if one.opname in ("RETURN_VALUE", "RETURN_CONST")]
    if not returns:
        said = [one for one in code.co_consts if isinstance(one, str) and one != function.__doc__]
        return (max(said, key=len, default="") or "only raises")[:500]
    for number, step in enumerate(steps) if depth and len(returns) == 1 else []:
        rest = steps[number:]
        # Every way through the function passes here, as there is one return and nothing jumps beyond.
        called = function.__globals__.get(step.argval) if step.opname == "LOAD_GLOBAL" else None
        if isinstance(called, types.FunctionType) and not any(
            one.is_jump_target or "JUMP" in one.opname for one in rest
        ):
            message = raised_by(called, depth - 1)
            if message:
                return message
    return ""


def below(file: str) -> str:
    """The path below site-packages, or from Python's own folder on: the rest depends on the machine."""
    path = file.replace(os.sep, "/")
    _, inside, rest = path.rpartition("site-packages/")
    _, standard, own = path.rpartition("/lib/python")
    return f"python{own}" if standard and not inside else rest


def parameters(function: Callable[..., Any], bound: bool = False) -> list[list[Any]] | None:
    """Parameters as [name, kind (0 to 4 as in `inspect`), default or None]; None where neither signature nor docstring shows them."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except BaseException:
        return from_docstring(function)
    if (
        bound
        and found
        and found[0].kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ):
        found = found[1:]
    return [[one.name, int(one.kind), None if one.default is one.empty else cleaned(one.default)] for one in found]


def from_docstring(function: object) -> list[list[Any]] | None:
    """Parameters from the first line of a docstring, where C functions document their signature."""
    doc = getattr(function, "__doc__", None)
    match = SIGNATURE.match(doc) if isinstance(doc, str) else None
    if not match:
        return None
    text = match.group(1).replace("[", "").replace("]", "")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [function_def] = ast.parse("def f" + text + ": pass").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(function_def, ast.FunctionDef):
        return None
    arguments = function_def.args
    plain = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(plain) - len(arguments.defaults)) + [ast.unparse(one) for one in arguments.defaults]
    kinds = inspect.Parameter
    found = [
        [one.arg, int(kinds.POSITIONAL_ONLY if one in arguments.posonlyargs else kinds.POSITIONAL_OR_KEYWORD), default]
        for one, default in zip(plain, defaults)
    ]
    if arguments.vararg:
        found.append([arguments.vararg.arg, int(kinds.VAR_POSITIONAL), None])
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        found.append([one.arg, int(kinds.KEYWORD_ONLY), ast.unparse(default) if default else None])
    if arguments.kwarg:
        found.append([arguments.kwarg.arg, int(kinds.VAR_KEYWORD), None])
    return [one for one in found if one[0] != "self"]


def cleaned(value: object) -> str:
    """The printed form of a value, equal in all processes: without addresses, functions by their names."""
    if inspect.isroutine(value) or inspect.isclass(value):
        return str(getattr(value, "__qualname__", None) or type(value).__name__)
    try:
        text = repr(value)
    except BaseException:
        return "<" + type(value).__name__ + ">"
    if isinstance(value, (set, frozenset)):
        text = "{" + ", ".join(sorted(map(repr, value))) + "}"
    for folder in (sys.prefix, sys.base_prefix):
        text = text.replace(folder, "…")
    return ADDRESS.sub("", text)[:120]


def probe(paths: list[str]) -> list[list[str]]:
    """Use every path as a program would; return [outcome, message] for each, the outcome one of works, warns and raises."""
    answers = []
    for path in paths:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            try:
                reach(path)
            except (AttributeError, ImportError) as error:
                answers.append(["raises", str(error)[:500]])
                continue
            except BaseException as error:
                answers.append(["raises", (type(error).__name__ + ": " + str(error))[:500]])
                continue
        messages = [str(one.message)[:500] for one in seen if is_deprecation(one.category)]
        answers.append(["warns", messages[0]] if messages else ["works", ""])
    return answers


def reach(path: str) -> object:
    """Return the object that a dotted path leads to, importing modules on the way."""
    parts = path.split(".")
    value: object = importlib.import_module(parts[0])
    for end, part in enumerate(parts[1:], start=2):
        try:
            value = getattr(value, part)
        except AttributeError as error:
            if not isinstance(value, types.ModuleType):
                raise
            try:
                value = importlib.import_module(".".join(parts[:end]))
            except ModuleNotFoundError:
                raise error from None
    return value


def print_probe(paths: list[str], part: int, size: int) -> None:
    """Print one part of the answer of `probe`."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        answer = probe(paths)
    print_part(answer, part, size)


def walk(package: str, part: int, size: int) -> None:
    """Print one part of the list of the package's public names."""
    warnings.simplefilter("ignore")
    found = Walk(package)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            found.load()
        except BaseException as error:  # the host gets one line for every kind of failure
            answer: dict[str, Any] = {"error": (type(error).__name__ + ": " + " ".join(str(error).split()))[:300]}
        else:
            for name, module in sorted(found.modules.items()):
                found.list_module(name, module)
            root = found.modules[package]
            answer = {
                "version": str(getattr(root, "__version__", "")),
                "modules": {name: below(getattr(one, "__file__", None) or "") for name, one in found.modules.items()},
                "failures": found.failures,
                "unreadable": found.unreadable,
                "names": sorted(found.found.values(), key=lambda record: record["paths"]),
            }
    print_part(answer, part, size)


def print_part(answer: object, part: int, size: int) -> None:
    """Print `number of parts`, a space, and one part of the compressed answer in base 85."""
    text = base64.b85encode(zlib.compress(json.dumps(answer, sort_keys=True).encode(), 6)).decode()
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    print(len(parts), parts[part])
