"""One side of the exchange: a program's process, or its test's process. Each can request operations on values that stay with the other.

A request names an operation on a value of the other side. The reply holds the result or the exception, along with side effects: printed
text, warnings, and changed environment variables. While waiting for a reply, a side may receive a request itself (a callback).
"""

from __future__ import annotations

import asyncio
import builtins
import os
import struct
import sys
import threading
import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.sandbox.guest import _classes, _standins, _values
else:
    import _classes
    import _standins
    import _values

_COUNT = struct.Struct(">I")
_FORMS: dict[type, bytes] = {
    **dict.fromkeys((types.FunctionType, types.BuiltinFunctionType, types.MethodType), b"f"),
    types.CoroutineType: b"a",
    types.GeneratorType: b"g",
}
Exchange = Callable[[bytes], bytes]


class Side(_values.Codec):
    """One side of the exchange.

    Args:
        first: 0 or 1; the first object number, so that the two sides use disjoint numbers.
        exchange: sends a message and returns the next one.
        own: names of modules that the other side cannot import.
        libraries: installed libraries whose classes and functions may be named.
    """

    def __init__(self, first: int, exchange: Exchange, own: frozenset[str], libraries: tuple[str, ...] = ()) -> None:
        super().__init__(first, libraries)
        self._exchange, self._own = exchange, own
        self._kept: dict[int, Any] = {}
        self._kept_numbers: dict[int, int] = {}
        self._standins: dict[int, Any] = {}
        self._generators: dict[int, int] = {}
        self._local: dict[int, type] = {}
        self._descriptions: dict[type, _classes.Description] = {}
        self._environment: dict[Any, Any] = dict(os.environ._data)  # type: ignore[attr-defined]
        self.questions = 0
        # Threads of program or test share the channel; a callback is answered by the thread that waits.
        self._one_thread = threading.RLock()

    # -- asking -----------------------------------------------------------------------------------------------------------------------

    def ask(self, operation: str, *parts: Any) -> Any:
        """Have the other side perform an operation; return the result, or raise its exception here.

        Raises:
            Unsupported: an argument or the result cannot cross.
        """
        with self._one_thread:
            return self._ask(operation, parts)

    def _ask(self, operation: str, parts: tuple[Any, ...]) -> Any:
        self.questions += 1
        root = ("do", operation, parts, self._changed_environment(), self.changed_globals())
        message = self.encode(root)
        message = self._prefixed(self.unheld(), message)
        while True:
            said = self._read(self._exchange(message))
            if said[0] != "do":
                return self._result(*said)
            message = self.answer(said)

    def _result(self, how: str, value: Any, printed: Any, warned: Any, environment: Any, changes: Any) -> Any:
        self._apply_environment(environment)
        self.apply_globals(changes)
        for stream, text in zip((sys.stdout, sys.stderr), printed, strict=True):
            if text:
                stream.write(text)
        for category, text, line in warned:
            if isinstance(category, type) and issubclass(category, Warning):
                warnings.warn_explicit(text, category, _classes.FILES[0], line, module="solution")
        if how == "returned":
            return value
        if how == "unsupported":
            raise _values.Unsupported(value)
        if how != "raised" or not isinstance(value, BaseException):
            raise _values.Malformed("a reply of another shape")
        raise value

    def use(self, owner: Any, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a method of a value that stays with the other side."""
        self.plain = False
        return self.ask("method", owner, name, arguments, named)

    def doubt(self, reason: str) -> None:
        """Record that something is decided by the other side's claim alone."""

    # -- answering --------------------------------------------------------------------------------------------------------------------

    def answer(self, request: Any) -> bytes:
        """Perform the other side's request; return the reply message."""
        _, operation, parts, environment, changes = request
        self._apply_environment(environment)
        self.apply_globals(changes)
        reply: tuple[Any, ...]
        try:
            self.permit(operation, parts)
            if operation.endswith("_kept"):
                parts = (self._kept[parts[0]], *parts[1:])
            reply = "returned", _OPERATIONS[operation](*parts)
        except _values.Unsupported as error:
            reply = "unsupported", str(error)
        except BaseException as error:  # noqa: BLE001 (whatever a program raises is the answer)
            _forget_frames(error)
            reply = "raised", error
        del request, parts
        effects = self.printed(), self.warned(), self._changed_environment(), self.changed_globals()
        try:
            message = self.encode((*reply, *effects))
        except _values.Unsupported as error:
            message = self.encode(("unsupported", str(error)[:300], ("", ""), (), (), ()))
        del reply
        return self._prefixed(self.unheld(), message)

    def permit(self, operation: str, parts: Any) -> None:
        """Refuse requests that the other side must not make.

        Raises:
            Unsupported: the request is refused.
        """

    def changed_globals(self) -> tuple[Any, ...]:
        """Return the interpreter state that the other side has to take over; see `_globals`."""
        return ()

    def apply_globals(self, changes: Any) -> None:
        """Take over interpreter state from the other side."""

    def printed(self) -> tuple[str, str]:
        """Return the text printed to stdout and stderr since the last message."""
        return "", ""

    def warned(self) -> tuple[Any, ...]:
        """Return the warnings since the last message."""
        return ()

    # -- messages ---------------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _prefixed(released: list[int], message: bytes) -> bytes:
        return _COUNT.pack(len(released)) + b"".join(number.to_bytes(8, "big") for number in released) + message

    def _read(self, message: bytes) -> tuple[Any, ...]:
        count = _COUNT.unpack_from(message)[0] if len(message) >= 4 else len(message)
        start = 4 + 8 * count
        if start > len(message):
            raise _values.Malformed("a message that broke off")
        released = [int.from_bytes(message[at : at + 8], "big") for at in range(4, start, 8)]
        said = self.decode(message[start:])
        self.release(released)
        if type(said) is not tuple or len(said) not in (5, 6) or type(said[0]) is not str:
            raise _values.Malformed("a message of another shape")
        return said

    def _changed_environment(self) -> tuple[tuple[str, str | None], ...]:
        now: dict[Any, Any] = os.environ._data  # type: ignore[attr-defined]
        if now == self._environment:
            return ()
        names = [name for name in {**now, **self._environment} if now.get(name) != self._environment.get(name)]
        self._environment = dict(now)
        return tuple((os.fsdecode(name), os.fsdecode(now[name]) if name in now else None) for name in names)

    def _apply_environment(self, changes: Any) -> None:
        for name, value in changes:
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if changes:
            self._environment = dict(os.environ._data)  # type: ignore[attr-defined]

    # -- values that stay -------------------------------------------------------------------------------------------------------------

    def foreign(self, value: Any, parts: list[bytes], depth: int) -> None:
        """Append a handle to the other side's own value, a library's class or function, or a value that stays here."""
        theirs = self._generators.get(id(value)) if type(value) is types.GeneratorType else _standins.number_of(value)
        if theirs is not None:
            parts.append(b"h" + theirs.to_bytes(8, "big"))
            return
        where = _values.importable(value, self._own)
        if where is not None:
            self.put_reference(where, parts)
        elif isinstance(value, type):
            parts.append(b"C" + self.class_number(value).to_bytes(8, "big"))
        else:
            number = self.keep(value)
            self.plain = False
            form = _FORMS.get(type(value), b"o")
            parts.append(b"H" + number.to_bytes(8, "big") + form)
            if form == b"f":
                self.put(_standins.describe_function(value), parts, depth)
            elif form == b"o":
                parts.append(self.class_number(type(value)).to_bytes(8, "big"))

    def keep(self, value: Any) -> int:
        """Return the number under which a value of this side is kept, first storing it if necessary."""
        number = self._kept_numbers.get(id(value))
        if number is None:
            number = len(self._kept)
            self._kept[number], self._kept_numbers[id(value)] = value, number
        return number

    def class_number(self, kind: type) -> int:
        """Return the number of a class; add its description to the message if it has not been sent yet."""
        number = self.keep(kind)
        if kind not in self._descriptions:
            self._descriptions[kind] = _classes.describe(kind)
            if kind.__module__ not in self._own and self._descriptions[kind].structure != "namedtuple":
                description = self._descriptions[kind]
                self._descriptions[kind] = description._replace(structure="object", bases=(), parts=())
        self.define(number, self._descriptions[kind])
        return number

    def put_structure(self, value: Any, parts: list[bytes], depth: int) -> bool:
        """Append an instance of a class that both sides know."""
        kind = type(value)
        known = self._structure(kind)
        if known is None:
            return False
        structure, tag = known
        if structure == "enum":
            name = value.name if value.name in kind.__members__ else None
            parts.append(b"M" + tag)
            self.put((name, value.value), parts, depth + 1)
        elif structure == "namedtuple":
            parts.append(b"n" + tag)
            self.put_items(tuple(value), parts, depth)
        elif structure == "value":
            parts.append(b"u" + tag)
            base = next(base for base in _classes.VALUE_BASES if isinstance(value, base))
            self.put(_plain_of(base, value), parts, depth + 1)
        elif structure in ("dataclass", "container"):
            parts.append(b"R" + self.share(value).to_bytes(8, "big"))
        else:
            return False
        return True

    def _structure(self, kind: type) -> tuple[str, bytes] | None:
        """Return structure and encoded number of a class whose instances cross by structure; None for any other class."""
        theirs = vars(kind).get(_standins.CLASS)
        if theirs is not None:
            structure = vars(kind)[_standins.STRUCTURE]
            return None if structure == "object" else (structure, b"h" + theirs.to_bytes(8, "big"))
        if kind.__module__ not in self._own and not (issubclass(kind, tuple) and hasattr(kind, "_fields")):
            return None
        number = self.class_number(kind)
        structure = self._descriptions[kind].structure
        return None if structure in ("object", "exception") else (structure, b"C" + number.to_bytes(8, "big"))

    def take_apart(self, value: Any) -> tuple[str, Any, list[Any]]:
        """Return kind, constructor argument and contents of a shared object."""
        known = self._structure(type(value)) if type(value) not in _values.MUTABLE else None
        if known is not None and known[0] == "dataclass":
            names = (
                vars(value)
                if hasattr(value, "__dict__")
                else {name: getattr(value, name) for name in type(value).__slots__}
            )
            return "instance", type(value), [part for pair in names.items() for part in pair]
        if known is not None and known[0] == "container":
            self.plain = False
            base = next(base for base in _classes.CONTAINERS if isinstance(value, base))
            items = (
                [part for pair in dict.items(value) for part in pair] if base is dict else list(base.__iter__(value))
            )
            return "container", type(value), items
        return super().take_apart(value)

    def make(self, kind: str, argument: Any) -> Any:
        """Return an empty shared object."""
        if kind in ("instance", "container"):
            known = self._structure(argument) if isinstance(argument, type) else None
            if known is None or known[0] != {"instance": "dataclass", "container": "container"}[kind]:
                raise _values.Malformed("an instance of an unknown class")
            if kind == "instance":
                return object.__new__(argument)
            self.plain = False
            base: Any = next(base for base in _classes.CONTAINERS if issubclass(argument, base))
            return base.__new__(argument)
        return super().make(kind, argument)

    def fill(self, value: Any, kind: str, items: list[Any]) -> None:
        """Give a shared object its contents."""
        if kind == "container":
            _fill_container(value, items)
            return
        if kind != "instance":
            super().fill(value, kind, items)
            return
        if hasattr(value, "__dict__"):
            vars(value).clear()
        for name, item in zip(items[::2], items[1::2], strict=True):
            object.__setattr__(value, name, item)

    def native(self, tag: bytes, reader: _values.Reader, depth: int) -> Any:
        """Read a handle, or an instance of a class that both sides know."""
        if tag == b"h":
            return self._kept[reader.number()]
        if tag == b"C":
            return self._local[reader.number()]
        if tag == b"H":
            return self._standin(reader, depth)
        if tag not in (b"M", b"n", b"u"):
            raise _values.Malformed("an unknown tag")
        kind = self.take(reader, depth)
        known = self._structure(kind) if isinstance(kind, type) else None
        if known is None:
            raise _values.Malformed("an instance of an unknown class")
        if tag == b"n" and known[0] == "namedtuple":
            return tuple.__new__(kind, self.take_items(reader, depth))
        if tag == b"M" and known[0] == "enum":
            name, value = self.take(reader, depth + 1)
            return kind.__members__[name] if name is not None else kind(value)
        if tag == b"u" and known[0] == "value":
            base = next(base for base in _classes.VALUE_BASES if issubclass(kind, base))
            return base.__new__(kind, self.take(reader, depth + 1))
        raise _values.Malformed("an instance of another kind")

    def _standin(self, reader: _values.Reader, depth: int) -> Any:
        """Return the stand-in for a value that stays with the other side; each value has a single stand-in."""
        number, form = reader.number(), reader.tag()
        if form == b"f":
            described = self.take(reader, depth)
            if number not in self._standins:
                self._standins[number] = _standins.function(self, number, *described)
            return self._standins[number]
        if form == b"a":
            return _standins.awaiting(self, number)
        if form == b"g":
            self.plain = False
            if number not in self._standins:
                self._standins[number] = _standins.generator(self, number)
                self._generators[id(self._standins[number])] = number
            return self._standins[number]
        kind = self._local[reader.number()]
        self.plain = False
        if number not in self._standins:
            self._standins[number] = _standins.instance(kind, number)
        return self._standins[number]

    def learn(self, number: int, description: list[Any]) -> None:
        """Build the local class from a description."""
        self._local[number] = _standins.build(self, number, _classes.Description(*description))


def _fill_container(value: Any, items: list[Any]) -> None:
    """Fill an instance of a subclass of list, dict or set, using the methods of the base class."""
    if isinstance(value, list):
        list.__setitem__(value, slice(None), items)
    elif isinstance(value, dict):
        dict.clear(value)
        dict.update(value, zip(items[::2], items[1::2], strict=True))
    else:
        set.clear(value)
        set.update(value, items)


def _plain_of(base: type, value: Any) -> Any:
    """Convert an instance of a subclass to its base class, using the methods of the base class."""
    if base in (tuple, frozenset):
        return base(base.__iter__(value))
    if base is complex:
        return complex(complex.real.__get__(value), complex.imag.__get__(value))
    if base is str:
        return str.__str__(value) if type(str.__str__(value)) is str else "".join(str.__iter__(value))
    if base is bytes:
        return bytes(bytes.__iter__(value))
    return {int: int.__int__, float: float.__float__}[base](value)


def _call(target: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return target(*arguments, **named)


def _method(owner: Any, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    if name.startswith("__") and not isinstance(owner, type):
        # Python looks up special methods in the class.
        return getattr(type(owner), name)(owner, *arguments, **named)
    return getattr(owner, name)(*arguments, **named)


def _drive(awaitable: Any) -> Any:
    """Run a coroutine or other awaitable to its end; return its result."""

    async def wait() -> Any:
        return await awaitable

    return asyncio.run(wait())


def _call_and_drive(target: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return _drive(target(*arguments, **named))


def _forget_frames(error: BaseException) -> None:
    """Drop the tracebacks of an exception and its contexts, whose frames hold values of the program."""
    chain: list[BaseException] = []
    while error is not None and len(chain) < _CONTEXTS:
        chain.append(error)
        error.__traceback__ = None
        error = error.__context__  # type: ignore[assignment]
    chain[-1].__context__ = None


_CONTEXTS = 4


def _step(generator: Any, how: str, *given: Any) -> Any:
    """Take one step of a generator: `send`, `throw` or `close`."""
    if type(generator) is not types.GeneratorType:
        raise TypeError("not a generator")
    steps: dict[str, Callable[..., Any]] = {
        "send": types.GeneratorType.send,
        "throw": types.GeneratorType.throw,
        "close": types.GeneratorType.close,
    }
    return steps[how](generator, *given)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "method": _method,
    "get": builtins.getattr,
    "set": builtins.setattr,
    "delete": builtins.delattr,
    "await": _call_and_drive,
    "signature": _standins.signature_parts,
    "await_kept": _drive,
    "step_kept": _step,
}
