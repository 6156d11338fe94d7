"""Takes standard library values apart into plainer ones and rebuilds them.

A *form*, a name and a sequence of values, represents an immutable value. A mutable value is taken apart into its kind, the argument for
constructing an empty one, and its contents, so that the copy on the other side can be updated in place.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import io
import operator
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.sandbox.guest import _library_forms
else:
    import _library_forms

Apart = tuple[str, Any, list[Any]]
TEXT = "_recode_text"
"""The attribute that keeps the `str()` of one of the program's exceptions."""


class Unsupported(BaseException):
    """A value holds something that cannot cross, or too much of it."""


class Malformed(Exception):
    """Bytes that no honest sender would send."""


_VIEWS = tuple(map(type, ({}.keys(), {}.values(), {}.items())))


def _pairs(mapping: dict[Any, Any]) -> list[Any]:
    return [part for pair in dict.items(mapping) for part in pair]


def _match(value: re.Match[Any]) -> tuple[Any, ...]:
    return value.re, value.string, value.start(), value.endpos, value.span(), value.regs


def _match_again(pattern: Any, text: Any, start: int, end: int, span: Any, regs: Any) -> Any:
    found = pattern.match(text, start, end)
    if found is None or found.regs != regs:
        # For example, `fullmatch` may have extended a lazy group.
        found = pattern.fullmatch(text, start, span[1])
    if found is None or found.regs != regs:
        raise ValueError("a match that its pattern does not make")
    return found


_FORMS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    decimal.Decimal: ("decimal", lambda value: (str(value),)),
    fractions.Fraction: ("fraction", lambda value: (value.numerator, value.denominator)),
    datetime.date: ("date", lambda value: (value.year, value.month, value.day)),
    datetime.datetime: (
        "datetime",
        lambda value: (*value.timetuple()[:6], value.microsecond, value.tzinfo, value.fold),
    ),
    datetime.time: ("time", lambda v: (v.hour, v.minute, v.second, v.microsecond, v.tzinfo, v.fold)),
    datetime.timedelta: ("timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    datetime.timezone: ("timezone", lambda value: (value.utcoffset(None), value.tzname(None))),
    zoneinfo.ZoneInfo: ("zone", lambda value: (value.key,)),
    uuid.UUID: ("uuid", lambda value: (value.int,)),
    range: ("range", lambda value: (value.start, value.stop, value.step)),
    slice: ("slice", lambda value: (value.start, value.stop, value.step)),
    pathlib.PosixPath: ("path", lambda value: (str(value),)),
    pathlib.PurePosixPath: ("pure_path", lambda value: (str(value),)),
    re.Pattern: ("pattern", lambda value: (value.pattern, int(value.flags))),
    re.Match: ("match", _match),
    _VIEWS[0]: ("keys", list),
    _VIEWS[1]: ("values", list),
    _VIEWS[2]: ("items", list),
    types.MappingProxyType: ("proxy", lambda value: (dict(value),)),
}
_VALUES: dict[str, Callable[..., Any]] = {
    "decimal": decimal.Decimal,
    "fraction": fractions.Fraction,
    "date": datetime.date,
    "datetime": lambda *parts: datetime.datetime(*parts[:-1], fold=parts[-1]),
    "time": lambda *parts: datetime.time(*parts[:-1], fold=parts[-1]),
    "timedelta": datetime.timedelta,
    "timezone": datetime.timezone,
    "zone": zoneinfo.ZoneInfo,
    "uuid": lambda number: uuid.UUID(int=number),
    "range": range,
    "slice": slice,
    "path": pathlib.Path,
    "pure_path": pathlib.PurePosixPath,
    "pattern": re.compile,
    "match": _match_again,
    "keys": lambda *keys: dict.fromkeys(keys).keys(),
    "values": lambda *values: dict(enumerate(values)).values(),
    "items": lambda *items: dict(items).items(),
    "proxy": types.MappingProxyType,
}


def _fill_sequence(value: Any, items: list[Any]) -> None:
    value[:] = items


def _fill_mapping(value: Any, items: list[Any]) -> None:
    value.clear()
    dict.update(value, zip(items[::2], items[1::2], strict=True))


def _fill_collection(value: Any, items: list[Any]) -> None:
    value.clear()
    (value.update if isinstance(value, set) else value.extend)(items)


def _fill_array(value: Any, items: list[Any]) -> None:
    del value[:]
    value.frombytes(items[0])


def _fill_ordered(value: Any, items: list[Any]) -> None:
    value.clear()
    for key, item in zip(items[::2], items[1::2], strict=True):
        value[key] = item


def _file_parts(value: Any) -> list[Any]:
    """Return text or bytes, position and state of a file in memory."""
    return ["", 0, True] if value.closed else [value.getvalue(), value.tell(), False]


def _fill_file(value: Any, items: list[Any]) -> None:
    content, place, is_closed = items
    if is_closed:
        value.close()
    elif not value.closed:
        value.seek(0)
        value.truncate()
        value.write(content)
        value.seek(place)


def _fill_names(value: Any, items: list[Any]) -> None:
    _fill_mapping(value.__dict__, items)


MUTABLE: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], list[Any]]]] = {
    list: ("list", lambda value: None, list),
    dict: ("dict", lambda value: None, _pairs),
    set: ("set", lambda value: None, list),
    bytearray: ("bytearray", lambda value: None, lambda value: [bytes(value)]),
    collections.deque: ("deque", operator.attrgetter("maxlen"), list),
    collections.OrderedDict: ("ordered", lambda value: None, _pairs),
    collections.Counter: ("counter", lambda value: None, _pairs),
    collections.defaultdict: ("defaultdict", operator.attrgetter("default_factory"), _pairs),
    array.array: ("array", operator.attrgetter("typecode"), lambda value: [value.tobytes()]),
    io.StringIO: ("text file", lambda value: None, _file_parts),
    io.BytesIO: ("byte file", lambda value: None, _file_parts),
    types.SimpleNamespace: ("namespace", lambda value: None, lambda value: _pairs(value.__dict__)),
}
"""For each type: its kind, and functions for the constructor argument and the contents."""
_MAKE: dict[str, Callable[[Any], Any]] = {
    "list": lambda _: [],
    "dict": lambda _: {},
    "set": lambda _: set(),
    "bytearray": lambda _: bytearray(),
    "deque": lambda most: collections.deque(maxlen=most),
    "ordered": lambda _: collections.OrderedDict(),
    "counter": lambda _: collections.Counter(),
    "defaultdict": collections.defaultdict,
    "array": array.array,
    "namespace": lambda _: types.SimpleNamespace(),
    "text file": lambda _: io.StringIO(),
    "byte file": lambda _: io.BytesIO(),
    **_library_forms.MAKE,
}
_FILL: dict[str, Callable[[Any, list[Any]], None]] = {
    "list": _fill_sequence,
    "dict": _fill_mapping,
    "set": _fill_collection,
    "bytearray": lambda value, items: _fill_sequence(value, items[0]),
    "deque": _fill_collection,
    "ordered": _fill_ordered,
    "counter": _fill_mapping,
    "defaultdict": _fill_mapping,
    "array": _fill_array,
    "namespace": _fill_names,
    "text file": _fill_file,
    "byte file": _fill_file,
    **_library_forms.FILL,
}


def form_of(value: Any) -> tuple[str, Any] | None:
    """Return the form (name and parts) of an immutable value; None if it has none."""
    known = _FORMS.get(type(value))
    if known is not None:
        return known[0], known[1](value)
    return _library_forms.form_of(value)


def value_of(name: str, parts: list[Any]) -> Any:
    """Rebuild the value of a form."""
    return (_VALUES.get(name) or _library_forms.VALUES[name])(*parts)


def is_shared(value: Any) -> bool:
    """Return whether a library's value is mutable and can be updated in place."""
    return _library_forms.take_apart(value) is not None


def take_apart(value: Any) -> Apart:
    """Return kind, constructor argument and contents of a mutable value."""
    known = MUTABLE.get(type(value))
    if known is not None:
        kind, make_of, items_of = known
        return kind, make_of(value), items_of(value)
    apart = _library_forms.take_apart(value)
    if apart is None:
        raise TypeError(type(value).__name__)
    return apart


def make(kind: str, argument: Any) -> Any:
    """Return an empty object of a kind."""
    if kind == "defaultdict" and argument is not None and not callable(argument):
        raise TypeError("a factory that cannot be called")
    return _MAKE[kind](argument)


def fill(value: Any, kind: str, items: list[Any]) -> None:
    """Set the contents of a mutable object, in place."""
    if MUTABLE.get(type(value), (kind,))[0] != kind:
        raise TypeError(f"{sys.intern(kind)} for a {type(value).__name__}")
    _FILL[kind](value, items)


_HIDDEN: dict[type[BaseException], tuple[str, ...]] = {
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
}
"""Attributes of exceptions that are neither arguments nor in the exception's dictionary."""


def exception_parts(error: BaseException) -> tuple[Any, ...]:
    """Return arguments, attributes, text, cause and context of an exception."""
    try:
        text = str(error)[:10_000]
    except BaseException as failure:  # noqa: BLE001 (an exception may raise when it is shown)
        raise Unsupported(f"an exception that cannot be shown: {type(failure).__name__}") from None
    # An OSError's `args` lack its file names.
    made_from = (
        error.__reduce__()[1]
        if type(error).__reduce__ is OSError.__reduce__ and isinstance(error, OSError)
        else error.args
    )
    names = {name: value for name, value in vars(error).items() if type(name) is str and name != TEXT}
    for kind, hidden in _HIDDEN.items():
        if isinstance(error, kind):
            names |= {name: getattr(error, name) for name in hidden if type(getattr(error, name)) is str}
    return made_from, tuple(names.items()), text, error.__cause__, error.__context__


def exception_of(kind: Any, arguments: Any, names: Any, text: Any, cause: Any, context: Any) -> BaseException:
    """Rebuild an exception from its parts."""
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise Malformed("an exception of no exception's class")
    try:
        error: BaseException = kind.__new__(kind, *arguments)
        if not isinstance(error, OSError):
            error.args = arguments
        if kind.__init__ is not BaseException.__init__ and kind.__module__ in sys.stdlib_module_names:
            error.__init__(*arguments)  # type: ignore[misc]
    except TypeError:
        error = kind.__new__(kind)
        error.args = arguments
    for name, value in (*names, *(((TEXT, text),) if hasattr(kind, TEXT) else ())):
        object.__setattr__(error, name, value)
    error.__cause__ = cause if isinstance(cause, BaseException) else None
    error.__context__ = context if isinstance(context, BaseException) else None
    return error
