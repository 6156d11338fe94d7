"""Descriptions of classes, from which the other side builds local classes that look and compare the same.

The *structure* of a class determines how its instances cross. Instances of a `dataclass`, `enum` or `namedtuple`, and of a `value` (a
subclass of str, int and the like), are copied. An `exception` is copied with its arguments. An `object` stays in its process and is used
remotely.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

CONTAINERS = (list, dict, set)
VALUE_BASES = (str, int, float, bytes, tuple, frozenset, complex)
_NAMES = ("StrEnum", "IntFlag", "IntEnum", "Flag", "Enum")
# Programs for older releases of Python run as well, and those have no StrEnum.
_ENUMS = tuple(getattr(enum, name) for name in _NAMES if hasattr(enum, name))
SPECIAL = tuple(
    f"__{name}__"
    for name in (
        "eq ne lt le gt ge hash bool len iter next reversed contains getitem setitem delitem call repr str format bytes int float complex "
        "index round trunc floor ceil abs neg pos invert add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv floordiv "
        "rfloordiv ifloordiv mod rmod imod divmod rdivmod pow rpow ipow matmul rmatmul and rand iand or ror ior xor rxor ixor lshift "
        "rlshift rshift rrshift enter exit aenter aexit aiter anext await length_hint missing fspath instancecheck"
    ).split()
)
FILES = ("solution.py", "test.py")
"""The file names under which program and test are compiled."""
_SIMPLE = (type(None), bool, int, float, complex, str, bytes)


class Description(NamedTuple):
    """The description of a class, as sent to the other side."""

    structure: str
    name: str
    qualified: str
    doc: str | None
    bases: tuple[type, ...]
    specials: tuple[str, ...]
    """Special methods that the class defines itself; a leading `!` marks one set to None."""
    methods: tuple[str, ...]
    properties: tuple[str, ...]
    parts: tuple[Any, ...]
    """The fields of a dataclass, the members of an enum, or the names and defaults of a named tuple."""


def describe(kind: type) -> Description:
    """Return the description of a class of the program or the test."""
    structure, parts = _structure(kind)
    if structure == "exception":
        bases = tuple(kind.__bases__)
    elif structure in ("enum", "value", "container"):
        bases = (_first(kind, {"enum": _ENUMS, "value": VALUE_BASES, "container": CONTAINERS}[structure]),)
    elif structure in ("object", "dataclass"):
        bases = tuple(base for base in kind.__bases__ if base is not object)
    else:
        bases = ()
    methods, properties = _members(kind)
    return Description(
        structure, kind.__name__, kind.__qualname__, kind.__doc__ if type(kind.__doc__) is str else None, bases,
        tuple(_specials(kind, structure)), methods, properties, parts,
    )  # fmt: skip


def _first(kind: type, choices: tuple[type, ...]) -> type:
    return next(choice for choice in choices if issubclass(kind, choice))


def _structure(kind: type) -> tuple[str, tuple[Any, ...]]:
    if issubclass(kind, BaseException):
        return "exception", ()
    if issubclass(kind, enum.Enum):
        members = tuple((name, member.value) for name, member in kind.__members__.items())
        if all(_is_simple(value) for _, value in members) and not _is_written(
            kind, "__eq__", "__hash__", "__new__", "_missing_"
        ):
            return "enum", members
    elif dataclasses.is_dataclass(kind):
        fields = _fields(kind)
        if fields is not None:
            return "dataclass", fields
    elif issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        defaults = tuple(kind._field_defaults.items())  # type: ignore[attr-defined]
        if not _is_written(kind, "__eq__", "__getitem__", "__iter__", "__len__") and all(
            _is_simple(value) for _, value in defaults
        ):
            return "namedtuple", (kind._fields, defaults)  # type: ignore[attr-defined]
    elif issubclass(kind, VALUE_BASES):
        return "value", ()
    elif issubclass(kind, CONTAINERS) and kind.__bases__ in ((list,), (dict,), (set,)):
        return "container", ()
    return "object", ()


def _is_simple(value: Any) -> bool:
    return type(value) in _SIMPLE or (type(value) is tuple and all(map(_is_simple, value)))


def _is_written(kind: type, *names: str) -> bool:
    """Return whether the program or the test defines one of these methods itself."""
    for name in names:
        found = _looked_up(kind, name)
        code = getattr(getattr(found, "__func__", found), "__code__", None)
        if code is not None and code.co_filename in FILES:
            return True
    return False


def _is_generated(function: Any) -> bool:
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return code is not None and code.co_filename == "<string>"


def _fields(kind: type) -> tuple[Any, ...] | None:
    """Return options and fields of a dataclass whose methods were all generated by the decorator; None for any other class."""
    options = getattr(kind, "__dataclass_params__", None)
    if options is None or not options.eq or not options.init:
        return None
    if not all(base is object or (dataclasses.is_dataclass(base) and _fields(base)) for base in kind.__bases__):
        return None
    written = vars(kind)
    if not (_is_generated(written.get("__init__")) and _is_generated(written.get("__eq__"))):
        return None
    if any(name in written for name in ("__post_init__", "__new__", "__getattr__", "__getattribute__")):
        return None
    own = written.get("__annotations__", {})
    made: list[tuple[Any, ...]] = []
    for field in dataclasses.fields(kind):
        if field.name not in own:
            continue
        flags = bool(field.init), bool(field.repr), bool(field.compare), field.hash, bool(field.kw_only)
        if field.default_factory is not dataclasses.MISSING:
            if field.default_factory not in (list, dict, set):
                return None
            made.append((field.name, flags, 2, field.default_factory))
        elif field.default is not dataclasses.MISSING:
            if not _is_simple(field.default):
                return None
            made.append((field.name, flags, 1, field.default))
        else:
            made.append((field.name, flags, 0, None))
    # A field without `init` is set by code that stays with the other side, and one without `compare` makes unequal values equal.
    if any(not (flags[0] and flags[2]) for _, flags, _, _ in made):
        return None
    return (*(bool(getattr(options, name)) for name in DATACLASS_OPTIONS), *made)


DATACLASS_OPTIONS = ("repr", "order", "unsafe_hash", "frozen")


def _specials(kind: type, structure: str) -> Iterator[str]:
    """Yield the special methods that a class does not inherit from `object` or from the base that its structure implies."""
    if structure == "exception":
        return
    for name in SPECIAL:
        own = _looked_up(kind, name)
        if structure == "object":
            if own is not vars(object).get(name):
                yield name if own is not None else f"!{name}"
        elif _is_written(kind, name):
            yield name


def _looked_up(kind: type, name: str) -> Any:
    for ancestor in kind.__mro__:
        if name in vars(ancestor):
            return vars(ancestor)[name]
    return None


def _is_constant(name: str, value: Any) -> bool:
    """Return whether an attribute of a class is a value of the class itself."""
    return not name.startswith("_") and type(value) in (*_SIMPLE, tuple, *CONTAINERS)


def _members(kind: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    methods, properties = [], []
    for ancestor in kind.__mro__[:-1]:
        if ancestor.__module__ in ("builtins", "enum"):
            continue
        for name, value in vars(ancestor).items():
            if name.startswith("_") and (
                name.startswith("__") or name in ("_fields", "_make", "_replace", "_asdict", "_field_defaults")
            ):
                continue
            if isinstance(value, types.FunctionType | classmethod | staticmethod):
                methods.append(name)
            elif isinstance(value, property) or type(value).__name__ == "cached_property" or _is_constant(name, value):
                properties.append(name)
    return tuple(dict.fromkeys(methods)), tuple(dict.fromkeys(properties))
