"""Answers questions about names inside a release's environment.

The text of this file runs there, before a line that calls `main`, and imports only the standard library. It prints one JSON list
of answers. An import that fails for any other reason than that there is no such module proves nothing about a name.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import textwrap
import types
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

YES, NO, UNKNOWN = "yes", "no", "unknown"
SAME, FORWARDS, CONVERTS = "same", "forwards", "converts"
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST = 200


class Absent(Exception):
    """There is no such name."""


class NoAnswer(Exception):
    """Whether there is such a name cannot be seen here."""


# --- reaching a name ---


def reach(path: str) -> tuple[Any, Any]:
    """Return the object of a dotted path and the object that it is an attribute of (None for a module)."""
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        module = import_if_there(".".join(parts[:size]))
        if module is None:
            continue
        owner, thing = None, module
        for part in parts[size:]:
            owner, thing = thing, attribute(thing, part)
        return thing, owner
    raise Absent(path)


def import_if_there(name: str) -> Any:
    """Return a module; None if there is none of this name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A module that exists may itself lack something that it imports.
        missing = error.name or ""
        if missing and (name == missing or name.startswith(missing + ".")):
            return None
        raise NoAnswer(name) from None
    except (Exception, SystemExit):
        raise NoAnswer(name) from None


def attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        if inspect.isclass(owner):
            # Attributes that instances get when they are created or fitted are not attributes of the class.
            raise NoAnswer(name) from None
        raise Absent(name) from None
    except Exception:
        raise NoAnswer(name) from None


# --- questions ---


def imports(package: str, _: str) -> str:
    """Say why a package cannot be imported; empty if it can."""
    try:
        importlib.import_module(package)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:_LONGEST]
    return ""


def has(path: str, parameter: str) -> str:
    try:
        thing = reach(path)[0]
    except Absent:
        return NO
    except NoAnswer:
        return UNKNOWN
    if not parameter:
        return YES
    try:
        parameters = inspect.signature(thing).parameters
    except Exception:
        return UNKNOWN
    if parameter in parameters:
        return YES
    return UNKNOWN if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) else NO


def offers(module: str, member: str) -> str:
    """Say whether instances of a library's class have an attribute: of the class, or set or declared in its source.

    Args:
        module: a module of the library, which is imported.
        member: the class's bare name and the attribute; `elsewhere` if only other packages have a class of that name.
    """
    return of_classes(module, member, has_attribute)


def defines(module: str, member: str) -> str:
    """Say whether a library's class, or a base of it, defines a method such as `__call__`, which every class has of `type`.

    Arguments and answers are those of `offers`.
    """
    return of_classes(module, member, lambda cls, name: any(name in vars(base) for base in cls.__mro__))


def of_classes(module: str, member: str, holds: Callable[[type, str], bool]) -> str:
    import_if_there(module)
    name, _, attr = member.rpartition(".")
    classes = [cls for cls in all_classes(object) if cls.__name__ == name]
    package = module.partition(".")[0]
    own = [cls for cls in classes if is_of(cls, package)]
    if not own:
        return "elsewhere" if any(not is_of(cls, "__main__") for cls in classes) else UNKNOWN
    return YES if any(holds(cls, attr) for cls in own) else NO


def all_classes(base: type) -> set[type]:
    found: set[type] = set()
    waiting = [base]
    while waiting:
        try:
            below: list[type] = type.__subclasses__(waiting.pop())
        except TypeError:
            continue
        new = [cls for cls in below if cls not in found]
        found.update(new)
        waiting += new
    return found


def is_of(thing: Any, package: str) -> bool:
    return str(getattr(thing, "__module__", "")).partition(".")[0] == package


def has_attribute(cls: type, name: str) -> bool:
    if hasattr(cls, name) or "__getattr__" in vars(cls):
        return True
    for base in cls.__mro__:
        if name in getattr(base, "__annotations__", {}):
            return True
        try:
            source = inspect.getsource(base)
        except (OSError, TypeError):
            continue
        if re.search(rf"\bself\.{name}\b\s*(?::[^=\n]+)?=[^=]", source):
            return True
    return False


def brings(package: str, module: str) -> str:
    """Say whether a package's distribution requires the one that a module comes from, other than by an extra."""
    owners = metadata.packages_distributions()
    wanted = {plain(name) for name in owners.get(module, [module])}
    required = [text for owner in owners.get(package, []) for text in metadata.requires(owner) or []]
    named = {plain(re.split(r"[^A-Za-z0-9._-]", text)[0]) for text in required if "extra ==" not in text}
    return YES if wanted & named else NO


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def takes(module: str, member: str) -> str:
    """Say whether callables of a library, known by their last names, take a keyword.

    Args:
        module: a module of the library, which is imported.
        member: the callable, with its class if it is a method, and the keyword.
    """
    import_if_there(module)
    path, _, keyword = member.rpartition(".")
    owner, _, name = path.rpartition(".")
    package = module.partition(".")[0]
    if owner:
        found = [
            getattr(cls, name, None) for cls in all_classes(object) if cls.__name__ == owner and is_of(cls, package)
        ]
    else:
        modules = [one for key, one in list(sys.modules.items()) if key.partition(".")[0] == package]
        found = [vars(one).get(name) for one in modules if inspect.ismodule(one)]
    answers = {accepts(one, keyword) for one in found if callable(one)}
    return next((one for one in (YES, UNKNOWN, NO) if one in answers), UNKNOWN)


def accepts(thing: Any, keyword: str) -> str:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return UNKNOWN
    by_name = any(p.name == keyword and p.kind is not p.POSITIONAL_ONLY for p in parameters)
    return YES if by_name or any(p.kind is p.VAR_KEYWORD for p in parameters) else NO


def reached(module: str, rest: str) -> str:
    try:
        thing = importlib.import_module(module)
        for part in rest.split("."):
            thing = getattr(thing, part)
    except Exception:
        return NO
    return YES


def signature(path: str, _: str) -> Any:
    """Return the parameters of a callable, and whether the first one is the object that a method is called on."""
    thing, owner = reach(path)
    if not callable(thing):
        return None
    parameters = [
        [p.name, p.kind.name, written(p.default), annotation(p.annotation)] for p in accepted_parameters(thing)
    ]
    return {"parameters": parameters, "takes_self": takes_self(thing, owner, path.rpartition(".")[2])}


def accepted_parameters(thing: Any) -> list[inspect.Parameter]:
    """Return the parameters of a callable, as what it wraps accepts them.

    A decorator that only warns of arguments by position shows the signature of the next release already.
    """
    shown = list(inspect.signature(thing).parameters.values())
    wrapped = inspect.unwrap(thing)
    if not inspect.isfunction(wrapped):
        return shown
    # Without its attributes, among which may be a signature that somebody set.
    bare = types.FunctionType(
        wrapped.__code__, wrapped.__globals__, wrapped.__name__, wrapped.__defaults__, wrapped.__closure__
    )
    bare.__kwdefaults__, bare.__annotations__ = wrapped.__kwdefaults__, wrapped.__annotations__
    accepted = list(inspect.signature(bare).parameters.values())
    return accepted if {p.name for p in accepted} == {p.name for p in shown} else shown


def takes_self(thing: Any, owner: Any, name: str) -> bool:
    """Say whether a callable that was reached through its class expects an instance first."""
    if not inspect.isclass(owner) or inspect.isclass(thing) or inspect.ismethod(thing):
        return False
    kept = inspect.getattr_static(owner, name, None)
    return not isinstance(kept, (staticmethod, classmethod))


def written(default: Any) -> Any:
    if default is inspect.Parameter.empty:
        return None
    try:
        return _ADDRESS.sub("", repr(default))[:_LONGEST]
    except Exception:
        return "<no text>"


def annotation(value: Any) -> Any:
    if value is inspect.Parameter.empty:
        return None
    return value if isinstance(value, str) else inspect.formatannotation(value)


def relation(old: str, new: str) -> str:
    """Say how the old name relates to the new one: the same object, a plain forward to it, or more than that."""
    first, first_owner = reach(old)
    second, second_owner = reach(new)
    if first is second:
        # Small constants may be the same object by chance.
        return NO if isinstance(first, (int, float, str, bytes, tuple, type(None))) else SAME
    if inspect.isclass(first):
        return FORWARDS if is_empty_subclass(first, second) else NO
    inner, target = inspect.unwrap(first), inspect.unwrap(second)
    if inner is target and callable(inner):
        return FORWARDS
    if not inspect.isfunction(inner):
        return NO
    method = inspect.isclass(first_owner) and first_owner is second_owner
    return forwards(inner, target, new.rpartition(".")[2] if method else "")


def is_empty_subclass(old: type, new: Any) -> bool:
    """Say whether a class only derives from the new one and adds nothing."""
    added = {
        "__module__",
        "__qualname__",
        "__doc__",
        "__firstlineno__",
        "__static_attributes__",
        "__slots__",
        "__weakref__",
        "__dict__",
    }
    return old.__bases__ == (new,) and not set(vars(old)) - added


# --- whether a function does nothing but call another one ---


def forwards(function: Any, target: Any, method: str) -> str:
    """Read a function's source: does its body, after docstring and warnings, only return a call with the same arguments?"""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(node, ast.FunctionDef):
        return NO

    def is_target(call: ast.AST) -> bool:
        if not isinstance(call, ast.Call):
            return False
        match call.func:
            case ast.Attribute(value=ast.Name(id=receiver), attr=name) if method:
                return name == method and bool(node.args.args) and receiver == node.args.args[0].arg
            case ast.Name() | ast.Attribute() if not method:
                return meaning(call.func, function) is target
        return False

    if not any(is_target(inner) for inner in ast.walk(node)):
        return NO
    rest = [statement for statement in node.body if not only_speaks(statement)]
    match rest:
        case [ast.Return(value=ast.Call() as call)] if is_target(call) and passes_all(node.args, call, bool(method)):
            return FORWARDS
    return CONVERTS


def meaning(node: ast.expr, function: Any) -> Any:
    """Return what a dotted name means in a function's module, without its wrappers; None if that cannot be seen."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    closure = inspect.getclosurevars(function)
    thing = {**closure.globals, **closure.nonlocals}.get(node.id)
    for name in reversed(names):
        thing = getattr(thing, name, None)
    return inspect.unwrap(thing) if callable(thing) else thing


def only_speaks(statement: ast.stmt) -> bool:
    """Say whether a statement is a docstring, an import or a warning, which change nothing in the result."""
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Call(func=called)):
            name = (
                called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
            )
            return "warn" in name.lower() or "deprecat" in name.lower()
        case ast.Assign(value=ast.Constant(value=str()) | ast.JoinedStr()):
            return True
    return False


def passes_all(parameters: ast.arguments, call: ast.Call, method: bool) -> bool:
    """Say whether a call hands on every parameter as it came, by position in the same order or by its own name."""
    positional = [parameter.arg for parameter in (*parameters.posonlyargs, *parameters.args)][1 if method else 0 :]
    stars = [parameters.vararg.arg] if parameters.vararg else []
    given: list[str] = []
    for number, argument in enumerate(call.args):
        match argument:
            case ast.Name(id=name) if number < len(positional) and positional[number] == name:
                given.append(name)
            case ast.Starred(value=ast.Name(id=name)) if [name] == stars:
                given.append(name)
            case _:
                return False
    doubled = [parameters.kwarg.arg] if parameters.kwarg else []
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg=None, value=ast.Name(id=name)) if [name] == doubled:
                given.append(name)
            case ast.keyword(arg=str() as word, value=ast.Name(id=name)) if word == name:
                given.append(name)
            case _:
                return False
    only = [parameter.arg for parameter in parameters.kwonlyargs]
    return sorted(given) == sorted([*positional, *stars, *only, *doubled])


_KINDS: dict[str, Callable[[str, str], Any]] = {
    "imports": imports, "has": has, "reached": reached, "signature": signature, "relation": relation,
    "offers": offers, "defines": defines, "takes": takes, "brings": brings,
}  # fmt: skip


def answer(kind: str, first: str, second: str) -> Any:
    try:
        return _KINDS[kind](first, second)
    except Exception:
        return None if kind == "signature" else UNKNOWN


def main(questions: list[tuple[str, str, str]]) -> None:
    """Print the answers to questions: their kind and two texts."""
    warnings.simplefilter("ignore")
    print(json.dumps([answer(*question) for question in questions]))
