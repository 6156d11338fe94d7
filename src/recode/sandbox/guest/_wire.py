"""Values and frames between the host and a sandboxed program: plain, typed, bounded in length and depth.

Both sides load this file; inside the sandbox it is found by path, so it imports the standard library only. What comes out of a sandbox is
decoded here and nowhere else: into built-in types alone, never by anything that runs code.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from typing import Any, NamedTuple

FRAME_BYTES = 1 << 20
"""Longest frame."""
DEPTH = 64
"""Deepest nesting of a value."""
_DIGITS = 3000
"""Longest integer, in hexadecimal digits: one that Python still prints."""
_LENGTH = struct.Struct(">I")
_DOUBLE = struct.Struct(">d")
# What model code may have exchanged in this process does not matter: the host decodes with its own copy.
_CONTAINERS: dict[type, bytes] = {list: b"l", tuple: b"t", set: b"S", frozenset: b"z"}
_MADE_BY = {b"l": list, b"t": tuple, b"S": set, b"z": frozenset}


class NotPlain(Exception):
    """A value holds something that the encoding does not carry, or too much of it."""


class BadFrame(Exception):
    """Bytes that no honest sender would send."""


class Array(NamedTuple):
    """An array as plain data: numpy's type string, the shape, and the elements' bytes in C order."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


class Handle(NamedTuple):
    """A value that stays where it is, in the program's process, and is used from afar by its number."""

    number: int
    type_name: str


def encode(value: Any) -> bytes:
    """Return a value's bytes.

    Carries None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict, `Handle` and numpy's arrays and numbers (of numbers,
    truth values and text); subclasses of these are not carried, whatever they claim to be.

    Raises:
        NotPlain: the value holds anything else, is too deep or too long.
    """
    parts: list[bytes] = []
    _encode(value, parts, 0)
    encoded = b"".join(parts)
    if len(encoded) > FRAME_BYTES - 64:
        raise NotPlain("too long")
    return encoded


def _encode(value: Any, parts: list[bytes], depth: int) -> None:
    kind = type(value)
    if depth > DEPTH:
        raise NotPlain("too deep")
    if kind is bool or value is None:
        parts.append({None: b"N", True: b"T", False: b"F"}[value])
    elif kind is int:
        if value.bit_length() > 4 * _DIGITS:
            raise NotPlain("an integer that is too long")
        parts.append(_sized(b"i", b"%x" % value))
    elif kind is float:
        parts.append(b"f" + _DOUBLE.pack(value))
    elif kind is complex:
        parts.append(b"c" + _DOUBLE.pack(value.real) + _DOUBLE.pack(value.imag))
    elif kind is str:
        parts.append(_sized(b"s", value.encode("utf-8", "surrogatepass")))
    elif kind is bytes:
        parts.append(_sized(b"b", value))
    elif kind in _CONTAINERS:
        parts.append(_CONTAINERS[kind] + _LENGTH.pack(_counted(len(value))))
        for item in value:
            _encode(item, parts, depth + 1)
    elif kind is dict:
        parts.append(b"d" + _LENGTH.pack(_counted(len(value))))
        for key, item in value.items():
            _encode(key, parts, depth + 1)
            _encode(item, parts, depth + 1)
    elif kind is Handle:
        parts.append(b"H")
        _encode((value.number, value.type_name), parts, depth + 1)
    else:
        parts.append(b"A")
        _encode(_array(value, kind), parts, depth + 1)


def _counted(length: int) -> int:
    if length > FRAME_BYTES:
        raise NotPlain("too long")
    return length


def _sized(tag: bytes, data: bytes) -> bytes:
    return tag + _LENGTH.pack(_counted(len(data))) + data


def _array(value: Any, kind: type) -> tuple[str, tuple[int, ...], bytes]:
    """Return dtype, shape and bytes of a numpy array or number."""
    if kind is Array:
        return value.dtype, tuple(value.shape), value.data
    if kind.__module__ != "numpy":
        raise NotPlain(f"a value of type {kind.__module__}.{kind.__qualname__}")
    import numpy

    if not (kind is numpy.ndarray or issubclass(kind, numpy.generic)):
        raise NotPlain(f"a value of type numpy.{kind.__qualname__}")
    array = numpy.asarray(value)
    if array.dtype.kind not in "biufcUSmM":
        raise NotPlain(f"an array of {array.dtype}")
    return array.dtype.str, tuple(int(n) for n in array.shape), array.tobytes()


def decode(data: bytes) -> Any:
    """Return the value of bytes from anywhere: built-in types, `Array` and `Handle`.

    Raises:
        BadFrame: the bytes are not the encoding of one value.
    """
    try:
        value, end = _decode(data, 0, 0)
    except (IndexError, struct.error, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise BadFrame(str(error)) from None
    if end != len(data):
        raise BadFrame("bytes after the value")
    return value


def _decode(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEPTH + 2:
        raise BadFrame("too deep")
    tag, at = data[at : at + 1], at + 1
    if tag in (b"N", b"T", b"F"):
        return {b"N": None, b"T": True, b"F": False}[tag], at
    if tag == b"f":
        return _DOUBLE.unpack_from(data, at)[0], at + 8
    if tag == b"c":
        return complex(*struct.unpack_from(">dd", data, at)), at + 16
    if tag == b"H":
        (number, name), at = _decode(data, at, depth + 1)
        if type(number) is not int or type(name) is not str:
            raise BadFrame("a handle of another shape")
        return Handle(number, name[:200]), at
    if tag == b"A":
        (dtype, shape, raw), at = _decode(data, at, depth + 1)
        if type(dtype) is not str or type(shape) is not tuple or type(raw) is not bytes or {*map(type, shape)} - {int}:
            raise BadFrame("an array of another shape")
        return Array(dtype, shape, raw), at
    (count,) = _LENGTH.unpack_from(data, at)
    at += 4
    if count > len(data) - at:
        raise BadFrame("a length beyond the end")
    if tag in (b"i", b"s", b"b"):
        return _text(tag, data[at : at + count]), at + count
    items = []
    for _ in range(count * (2 if tag == b"d" else 1)):
        item, at = _decode(data, at, depth + 1)
        items.append(item)
    if tag in (b"d", b"S", b"z"):
        _spread(items[::2] if tag == b"d" else items)
    if tag == b"d":
        return dict(zip(items[::2], items[1::2], strict=True)), at
    if tag in _MADE_BY:
        return _MADE_BY[tag](items), at
    raise BadFrame("an unknown tag")


def _spread(keys: list[Any]) -> None:
    """Refuse keys that were chosen to have one hash: a table of them takes time by the square of their number, in the host's process."""
    if len(keys) > _SAME_HASH and max(Counter(map(hash, keys)).values()) > _SAME_HASH:
        raise BadFrame("keys of one hash")


_SAME_HASH = 64


def _text(tag: bytes, raw: bytes) -> int | str | bytes:
    if tag == b"b":
        return raw
    if tag == b"s":
        return raw.decode("utf-8", "surrogatepass")
    if len(raw) > _DIGITS + 1:
        raise BadFrame("an integer that is too long")
    return int(raw, 16)


def same(a: Any, b: Any) -> bool:
    """Say whether two decoded values are equal with exactly the same types throughout; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if type(a) in (float, complex):
        return repr(a) == repr(b) if a != a else bool(a == b)
    if type(a) in (list, tuple, Array):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if type(a) is dict:
        return len(a) == len(b) and all(same(k, j) and same(a[k], b[j]) for k, j in _keyed(a, b))
    if type(a) in (set, frozenset):
        return len(a) == len(b) and all(same(x, y) for x, y in _keyed(dict.fromkeys(a), dict.fromkeys(b)))
    return bool(a == b)


def _keyed(a: dict[Any, Any], b: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """Return each key of `a` with the key of `b` that equals it; with a key that is nowhere where none does."""
    keys = {key: key for key in b}
    nowhere = object()
    return [(key, keys.get(key, nowhere)) for key in a]


def send(channel: socket.socket, data: bytes) -> None:
    """Send one frame."""
    channel.sendall(_LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket) -> bytes | None:
    """Return the next frame, or None where the other side has closed.

    Raises:
        BadFrame: the frame is longer than `FRAME_BYTES`, or broke off.
        TimeoutError: the channel's timeout passed.
    """
    head = _exactly(channel, 4)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > FRAME_BYTES:
        raise BadFrame(f"a frame of {length} bytes")
    body = _exactly(channel, length)
    if len(head) < 4 or len(body) < length:
        raise BadFrame("a frame that broke off")
    return body


def _exactly(channel: socket.socket, count: int) -> bytes:
    """Return `count` bytes, or fewer where the other side has closed."""
    parts: list[bytes] = []
    while count:
        part = channel.recv(min(count, 1 << 16))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
