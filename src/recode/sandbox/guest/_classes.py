"""What one side says of a class of its own, so that the other side can build a local one that looks and compares alike.

The *structure* of a class says how its instances cross. Of a `dataclass`, `enum` or `namedtuple`, and of a `value` (a subclass of str, int and
the like), they are copied; an `exception` is copied with its arguments; an `object` stays where it is and is used from afar.
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
_ENUMS = (enum.StrEnum, enum.IntFlag, enum.IntEnum, enum.Flag, enum.Enum)
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
"""The names under which program and test are compiled."""
_SIMPLE = (type(None), bool, int, float, complex, str, bytes)


class Description(NamedTuple):
    """A class as it is sent."""

    structure: str
    name: str
    qualified: str
    doc: str | None
    bases: tuple[type, ...]
    specials: tuple[str, ...]
    """Special methods of its own."""
    methods: tuple[str, ...]
    properties: tuple[str, ...]
    parts: tuple[Any, ...]
    """Of a dataclass the fields, of an enum the members, of a named tuple the names and defaults."""


def describe(kind: type) -> Description:
    """Return the description of a class of the program or the test."""
    structure, parts = _structure(kind)
    if structure == "exception":
        bases = tuple(kind.__bases__)
    elif structure in ("enum", "value", "container"):
        bases = (_first(kind, {"enum": _ENUMS, "value": VALUE_BASES, "container": CONTAINERS}[structure]),)
    elif structure == "object":
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
        if all(_is_simple(value) for _, value in members) and not _is_written(kind, "__eq__", "__hash__", "__new__"):
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
    """Say whether the program or the test has written one of these methods itself."""
    for name in names:
        code = getattr(_looked_up(kind, name), "__code__", None)
        if code is not None and code.co_filename in FILES:
            return True
    return False


def _is_generated(function: Any) -> bool:
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return code is not None and code.co_filename == "<string>"


def _fields(kind: type) -> tuple[Any, ...] | None:
    """Return options and fields of a dataclass that has nothing but what the decorator made; None for any other."""
    options = getattr(kind, "__dataclass_params__", None)
    if options is None or not options.eq or not options.init or kind.__bases__ != (object,):
        return None
    written = vars(kind)
    if not (_is_generated(written.get("__init__")) and _is_generated(written.get("__eq__"))):
        return None
    if any(name in written for name in ("__post_init__", "__new__", "__getattr__", "__getattribute__")):
        return None
    made: list[tuple[str, int, Any]] = []
    for field in dataclasses.fields(kind):
        if not field.init or not field.compare or field.kw_only:
            return None
        if field.default_factory is not dataclasses.MISSING:
            if field.default_factory not in (list, dict, set):
                return None
            made.append((field.name, 2, field.default_factory))
        elif field.default is not dataclasses.MISSING:
            if not _is_simple(field.default):
                return None
            made.append((field.name, 1, field.default))
        else:
            made.append((field.name, 0, None))
    return (bool(options.frozen), bool(options.order), *made)


def _specials(kind: type, structure: str) -> Iterator[str]:
    """Yield the special methods that a class does not have from `object`, or from what its structure stands for."""
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
            elif isinstance(value, property) or type(value).__name__ == "cached_property":
                properties.append(name)
    return tuple(dict.fromkeys(methods)), tuple(dict.fromkeys(properties))
