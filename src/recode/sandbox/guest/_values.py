"""Values that cross between a program's process and its test's process: plain ones are copied, mutable ones are shared.

A message holds a root value, descriptions of the classes it names, and the contents of *shared* objects: lists, dictionaries, arrays and
other mutable values that both sides hold. A shared object keeps its identity on both sides. Changes that one side makes to it are sent
with that side's next message, so `f(a)` can sort the caller's list. A value that cannot be copied stays in its process and is used
remotely through a handle.

Standard library only. Decoding builds objects of known kinds and runs no code chosen by the sender.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import operator
import struct
import sys
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.sandbox.guest import _forms
else:
    import _forms

MUTABLE = _forms.MUTABLE
TEXT, Unsupported, Malformed = _forms.TEXT, _forms.Unsupported, _forms.Malformed
MESSAGE_BYTES = 1 << 20
_DEPTH = 80
_DIGITS = 60_000
_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">q")
_DOUBLE = struct.Struct(">d")
_REFUSED_MODULES = frozenset(
    ("__main__", "antigravity", "this", "idlelib", "turtledemo", "test", "lib2to3", "tkinter", "turtle")
)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, functools._lru_cache_wrapper)
_METACLASSES = frozenset(("type", "ABCMeta", "EnumType", "EnumMeta", "DType", "_DTypeMeta", "_TensorMeta"))


class Shared:
    """A mutable object that both sides hold, with its last contents known to both."""

    __slots__ = ("contents", "value")

    def __init__(self, value: Any, contents: bytes | None) -> None:
        self.value, self.contents = value, contents


def importable(value: Any, own: frozenset[str] = frozenset()) -> tuple[str, str] | None:
    """Return module and qualified name of a library's module, class or function; None for anything else or if the module is in `own`."""
    if isinstance(value, types.ModuleType):
        known = value.__name__ not in own and sys.modules.get(value.__name__) is value
        return (value.__name__, "") if known else None
    name: Any = getattr(value, "__qualname__", None)
    module: Any = getattr(value, "__module__", None)
    if type(value).__name__ == "ufunc":
        name, module = value.__name__, "numpy"
    if type(name) is not str:
        return None
    if type(module) is not str:
        module = "builtins"
    if module in own or module not in sys.modules:
        return None
    try:
        same = operator.attrgetter(name)(sys.modules[module]) is value
    except AttributeError:
        return None
    return (module, name) if same else None


class Codec:
    """Encodes and decodes the messages of one side.

    Each side overrides the hooks, such as `foreign`, which encodes values that are neither plain nor shared, and `native`, which reads them.
    """

    def __init__(self, first: int, libraries: Iterable[str] = ()) -> None:
        self._next = first
        self._libraries = frozenset(libraries)
        self.shared: dict[int, Shared] = {}
        # Keyed by id, because lists are not hashable; `shared` keeps the object alive as long as its id is in here.
        self._numbers: dict[int, int] = {}
        self._queue: list[int] = []
        self._classes: list[bytes] = []
        self._sent: set[int] = set()
        self.plain = True
        """Whether all values so far were plain, that is, none of them stayed with the other side."""

    # -- encoding ---------------------------------------------------------------------------------------------------------------------

    def encode(self, root: Any) -> bytes:
        """Return a message with this value and all changes to shared objects.

        Raises:
            Unsupported: the value, or something in a shared object, cannot cross.
        """
        self._classes = []
        body: list[bytes] = []
        self.put(root, body, 0)
        self._queue = list(self.shared)
        nodes: list[bytes] = []
        for number in self._queue:
            made = self._node(number)
            if made is not None:
                nodes.append(made)
        parts = [_LENGTH.pack(len(self._classes)), *self._classes, _LENGTH.pack(len(nodes)), *nodes, *body]
        message = b"".join(parts)
        if len(message) > MESSAGE_BYTES - 64:
            raise Unsupported("more than a message may hold")
        return message

    def _node(self, number: int) -> bytes | None:
        entry = self.shared[number]
        kind, make, items = self.take_apart(entry.value)
        made: list[bytes] = []
        self.put(make, made, 0)
        filled: list[bytes] = []
        self.put_items(items, filled, 0)
        contents = b"".join(filled)
        if entry.contents == contents:
            return None
        entry.contents = contents
        head = _NUMBER.pack(number) + _sized(kind.encode()) + _sized(b"".join(made))
        return head + _sized(contents)

    def put(self, value: Any, parts: list[bytes], depth: int) -> None:
        """Append the encoding of one value."""
        if depth > _DEPTH:
            raise Unsupported("a value that is nested too deeply")
        kind = type(value)
        simple = _SIMPLE.get(kind)
        if simple is not None:
            parts.append(simple(value))
        elif kind is tuple or kind is frozenset:
            parts.append(b"t" if kind is tuple else b"z")
            self.put_items(value, parts, depth)
        elif kind in _forms.MUTABLE:
            parts.append(b"R" + _NUMBER.pack(self.share(value)))
        else:
            self._put_other(value, parts, depth)

    def _put_other(self, value: Any, parts: list[bytes], depth: int) -> None:
        if isinstance(value, BaseException):
            # The class determines what kind of exception it is; its attributes hold everything else about it.
            parts.append(b"x")
            self.put_items((type(value), *_forms.exception_parts(value)), parts, depth)
            return
        if self.put_structure(value, parts, depth):
            return
        form = _forms.form_of(value)
        if form is not None:
            name, items = form
            parts.append(b"V" + _sized(name.encode()))
            self.put_items(items, parts, depth)
        elif _forms.is_shared(value):
            parts.append(b"R" + _NUMBER.pack(self.share(value)))
        else:
            self.foreign(value, parts, depth)

    def put_items(self, items: Iterable[Any], parts: list[bytes], depth: int) -> None:
        """Append the number of values in a sequence, and their encodings."""
        at = len(parts)
        parts.append(b"")
        count = 0
        for item in items:
            self.put(item, parts, depth + 1)
            count += 1
        parts[at] = _LENGTH.pack(count)

    def put_reference(self, where: tuple[str, str], parts: list[bytes]) -> None:
        """Append the module and name of an object that the other side imports itself."""
        parts.append(b"I" + _sized(where[0].encode()) + _sized(where[1].encode()))

    def share(self, value: Any) -> int:
        """Return the number of a shared object, first sharing it if necessary."""
        number = self._numbers.get(id(value))
        if number is None:
            number, self._next = self._next, self._next + 2
            self.adopt(number, value)
            self._queue.append(number)
        return number

    def adopt(self, number: int, value: Any) -> None:
        """Keep a shared object under a number."""
        self.shared[number] = Shared(value, None)
        self._numbers[id(value)] = number

    def release(self, numbers: Iterable[int]) -> None:
        """Forget shared objects that one side no longer holds."""
        for number in numbers:
            entry = self.shared.pop(number, None)
            if entry is not None:
                self._numbers.pop(id(entry.value), None)

    def unheld(self) -> list[int]:
        """Return and forget the shared objects that nothing but this codec refers to."""
        gone: list[int] = []
        for number in list(self.shared):
            # The two own references: its entry, and the argument of getrefcount.
            if sys.getrefcount(self.shared[number].value) <= _OWN_REFERENCES:
                self.release((number,))
                gone.append(number)
        return gone

    def define(self, number: int, description: tuple[Any, ...]) -> None:
        """Add the description of a class to the message, unless sent before; it precedes the first value that names it."""
        if number not in self._sent:
            self._sent.add(number)
            parts: list[bytes] = []
            self.put_items(description, parts, 0)
            self._classes.append(_NUMBER.pack(number) + b"".join(parts))

    def put_structure(self, value: Any, parts: list[bytes], depth: int) -> bool:
        """Append the value if it is an instance of a class whose structure both sides know; return whether it is."""
        return False

    def take_apart(self, value: Any) -> tuple[str, Any, list[Any]]:
        """Return kind, constructor argument and contents of a shared object."""
        return _forms.take_apart(value)

    def make(self, kind: str, argument: Any) -> Any:
        """Return an empty shared object."""
        return _forms.make(kind, argument)

    def fill(self, value: Any, kind: str, items: list[Any]) -> None:
        """Give a shared object its contents."""
        _forms.fill(value, kind, items)

    def foreign(self, value: Any, parts: list[bytes], depth: int) -> None:
        """Append the encoding of a value that is neither plain nor shared."""
        raise Unsupported(f"a value of type {type(value).__name__}")

    # -- decoding ---------------------------------------------------------------------------------------------------------------------

    def decode(self, message: bytes) -> Any:
        """Return the root value of a message, after bringing shared objects up to date.

        Raises:
            Malformed: the bytes are not a message.
        """
        try:
            return self._decode(message)
        except Malformed:
            raise
        except Exception as error:  # noqa: BLE001 (any failure to read untrusted bytes means that they are malformed)
            raise Malformed(f"{type(error).__name__}: {error}"[:300]) from None

    def _decode(self, message: bytes) -> Any:
        reader = Reader(message)
        for _ in range(reader.count()):
            number = reader.number()
            self.learn(number, self.take_items(reader, 0))
        waiting: list[tuple[int, str, bytes]] = []
        for _ in range(reader.count()):
            number, kind, make, contents = reader.number(), reader.text(), reader.sized(), reader.sized()
            # A copy of a set may have another order, and a copy of a view shares no memory.
            self.plain = self.plain and kind not in ("set", "ndarray view")
            if number not in self.shared:
                self.adopt(number, self.make(kind, self.take(Reader(make), 0)))
            self.shared[number].contents = contents
            waiting.append((number, kind, contents))
        # An instance must be complete before it can be a dictionary key or a set element.
        for number, kind, contents in sorted(waiting, key=lambda node: node[1] != "instance"):
            self.fill(self.shared[number].value, kind, self.take_items(Reader(contents), 0))
        root = self.take(reader, 0)
        if reader.at != len(message):
            raise Malformed("bytes after the value")
        return root

    def take_items(self, reader: Reader, depth: int) -> list[Any]:
        """Read the number of values in a sequence, and the values."""
        return [self.take(reader, depth + 1) for _ in range(reader.count())]

    def take(self, reader: Reader, depth: int) -> Any:
        """Read one value."""
        if depth > _DEPTH + 4:
            raise Malformed("too deep")
        tag = reader.tag()
        if tag in _READ:
            found = _READ[tag](reader)
            if tag == b"f" and found != found:
                # A copy of NaN is not found in a list that holds the original.
                self.plain = False
            return found
        if tag == b"t":
            return tuple(self.take_items(reader, depth))
        if tag == b"z":
            self.plain = False
            return frozenset(self.take_items(reader, depth))
        if tag == b"R":
            return self.shared[reader.number()].value
        if tag == b"V":
            return _forms.value_of(reader.text(), self.take_items(reader, depth))
        if tag == b"x":
            return _forms.exception_of(*self.take_items(reader, depth))
        if tag == b"I":
            return self.imported(reader.text(), reader.text())
        return self.native(tag, reader, depth)

    def native(self, tag: bytes, reader: Reader, depth: int) -> Any:
        """Read a value with a tag that only the subclass knows."""
        raise Malformed("an unknown tag")

    def learn(self, number: int, description: list[Any]) -> None:
        """Store the description of one of the other side's classes."""
        raise Malformed("a class from the wrong side")

    def imported(self, module: str, name: str) -> Any:
        """Return a class, function or module of a library, which this side imports itself.

        Raises:
            Malformed: the library is not an allowed one, or the object is neither a class nor a function.
        """
        top = module.split(".")[0]
        allowed = top in sys.stdlib_module_names or top in self._libraries
        if not allowed or top in _REFUSED_MODULES or any(part.startswith("_") for part in name.split(".")):
            raise Malformed(f"a name of {module}")
        found: Any = importlib.import_module(module)
        if not name:
            return found
        found = operator.attrgetter(name)(found)
        fits = isinstance(found, _FUNCTIONS) or type(found).__name__ in ("ufunc", "_ArrayFunctionDispatcher")
        if isinstance(found, type):
            fits = type(found).__name__ in _METACLASSES
        if not fits:
            raise Malformed(f"{module}.{name} is neither a class nor a function")
        return found


_OWN_REFERENCES = 2


class Reader:
    """Bytes with a read position."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def tag(self) -> bytes:
        """Read the byte that gives the kind of a value."""
        self.at += 1
        return self.data[self.at - 1 : self.at]

    def count(self) -> int:
        """Read a count, which in an honest message is no larger than the number of bytes that follow."""
        count: int = _LENGTH.unpack_from(self.data, self.at)[0]
        self.at += 4
        if count > len(self.data) - self.at:
            raise Malformed("a length beyond the end")
        return count

    def number(self) -> int:
        """Read the number of an object."""
        self.at += 8
        return int(_NUMBER.unpack_from(self.data, self.at - 8)[0])

    def sized(self) -> bytes:
        """Read a length, and that many bytes."""
        count = self.count()
        self.at += count
        return self.data[self.at - count : self.at]

    def text(self) -> str:
        """Read a length, and text of that many bytes."""
        return self.sized().decode("utf-8", "surrogatepass")

    def double(self) -> float:
        """Read a floating-point number."""
        self.at += 8
        return float(_DOUBLE.unpack_from(self.data, self.at - 8)[0])


def _sized(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def _integer(value: int) -> bytes:
    if value.bit_length() > 4 * _DIGITS:
        raise Unsupported("an integer that is too long")
    return b"i" + _sized(b"%x" % value)


def _read_integer(reader: Reader) -> int:
    raw = reader.sized()
    if len(raw) > _DIGITS + 1:
        raise Malformed("an integer that is too long")
    return int(raw, 16)


_SINGLE: dict[bytes, Any] = {b"N": None, b"T": True, b"F": False, b"E": Ellipsis, b"X": NotImplemented}
_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: _integer,
    float: lambda value: b"f" + _DOUBLE.pack(value),
    complex: lambda value: b"c" + _DOUBLE.pack(value.real) + _DOUBLE.pack(value.imag),
    str: lambda value: b"s" + _sized(value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: b"b" + _sized(value),
    type(Ellipsis): lambda value: b"E",
    type(NotImplemented): lambda value: b"X",
}
_READ: dict[bytes, Callable[[Reader], Any]] = {
    **{tag: functools.partial(lambda value, reader: value, value) for tag, value in _SINGLE.items()},
    b"i": _read_integer,
    b"f": Reader.double,
    b"c": lambda reader: complex(reader.double(), reader.double()),
    b"s": Reader.text,
    b"b": Reader.sized,
}

BUILTINS = frozenset(dir(builtins))
