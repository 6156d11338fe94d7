"""Values and frames exchanged by the host and a sandboxed program: plain, typed, and bounded in length and depth.

Both sides load this file. Inside the sandbox it is found by path, so it imports the standard library only. Data from a sandbox is decoded
here and nowhere else, into built-in types only, and never by anything that runs code.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

FRAME_BYTES = 1 << 20
"""Maximum length of a frame."""
DEPTH = 64
"""Maximum nesting depth of a value."""
_DIGITS = 3000
"""Maximum length of an integer in hexadecimal digits; Python can still print such an integer."""
_LENGTH = struct.Struct(">I")
_DOUBLE = struct.Struct(">d")
# Model code may replace these in its own process; that is harmless, since the host decodes with its own copy.
_CONTAINERS: dict[type, bytes] = {list: b"l", tuple: b"t", set: b"S", frozenset: b"z"}
_MADE_BY = {b"l": list, b"t": tuple, b"S": set, b"z": frozenset}


class NotPlain(Exception):
    """A value holds something that cannot be encoded, or too much of it."""


class BadFrame(Exception):
    """Bytes that no honest sender would send."""


class Array(NamedTuple):
    """An array as plain data: numpy's type string, the shape, and the elements' bytes in C order."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def encode(value: Any) -> bytes:
    """Return the encoding of a value.

    Encodes None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict, and numpy arrays and scalars (numbers, truth
    values and text). Subclasses of these are refused, whatever they claim to be.

    Raises:
        NotPlain: the value holds anything else, or is too deep or too long.
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
    else:
        array = _array(value, kind)
        parts.append(b"A" + _LENGTH.pack(len(array)))
        for item in array:
            _encode(item, parts, depth + 1)


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


def decode(data: bytes, most_keys: int = 256) -> Any:
    """Decode untrusted bytes into a value of built-in types and `Array`.

    Args:
        data: the encoding of one value.
        most_keys: how many keys or elements other than text and bytes a dictionary or set may have. A sender can choose numbers whose hashes
            all collide, and inserting many of them would take minutes. Larger values are compared by `canonical`.

    Raises:
        BadFrame: the bytes are not the encoding of one value, or hold too many keys.
    """
    try:
        return value(parse(data), most_keys)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise BadFrame(str(error)) from None


def value(node: Node, most_keys: int = 256) -> Any:
    """Return the value of a parsed node; see `decode`."""
    tag, content = node
    if tag not in _CONTAINER_TAGS:
        return content
    items = [value(item, most_keys) for item in content]
    if tag in (b"d", b"S", b"z"):
        keys = items[::2] if tag == b"d" else items
        if len(keys) > most_keys and sum(type(key) not in (str, bytes) for key in keys) > most_keys:
            raise BadFrame("more keys than are decoded here")
    if tag == b"d":
        return dict(zip(items[::2], items[1::2], strict=True))
    return Array(*items) if tag == b"A" else _MADE_BY[tag](items)


Node = tuple[bytes, Any]
"""A parsed value: its tag, and the value itself or its parsed items. Parsing hashes nothing."""
_CONTAINER_TAGS = frozenset((b"l", b"t", b"S", b"z", b"d", b"A"))
_SINGLE: dict[bytes, Any] = {b"N": None, b"T": True, b"F": False}


def parse(data: bytes) -> Node:
    """Return the structure of an encoded value, in time proportional to its length whatever the bytes.

    Raises:
        BadFrame: the bytes are not the encoding of one value.
    """
    try:
        node, end = _parse(data, 0, 0)
    except (IndexError, struct.error, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise BadFrame(str(error)) from None
    if end != len(data):
        raise BadFrame("bytes after the value")
    return node


def _parse(data: bytes, at: int, depth: int) -> tuple[Node, int]:
    if depth > DEPTH + 2:
        raise BadFrame("too deep")
    tag, at = data[at : at + 1], at + 1
    if tag in _SINGLE:
        return (tag, _SINGLE[tag]), at
    if tag == b"f":
        return (tag, _DOUBLE.unpack_from(data, at)[0]), at + 8
    if tag == b"c":
        return (tag, complex(*struct.unpack_from(">dd", data, at))), at + 16
    (count,) = _LENGTH.unpack_from(data, at)
    at += 4
    if count > len(data) - at:
        raise BadFrame("a length beyond the end")
    if tag in (b"i", b"s", b"b"):
        return (tag, _text(tag, data[at : at + count])), at + count
    if tag not in _CONTAINER_TAGS:
        raise BadFrame("an unknown tag")
    items = []
    for _ in range(count * (2 if tag == b"d" else 1)):
        item, at = _parse(data, at, depth + 1)
        items.append(item)
    if tag == b"A" and not _is_array(items):
        raise BadFrame("an array of another shape")
    return (tag, items), at


def _is_array(items: list[Node]) -> bool:
    if [tag for tag, _ in items] != [b"s", b"t", b"b"]:
        return False
    return all(tag == b"i" for tag, _ in items[1][1])


def _text(tag: bytes, raw: bytes) -> int | str | bytes:
    if tag == b"b":
        return raw
    if tag == b"s":
        return raw.decode("utf-8", "surrogatepass")
    if len(raw) > _DIGITS + 1:
        raise BadFrame("an integer that is too long")
    return int(raw, 16)


def canonical(node: Node) -> bytes:
    """Return bytes that are identical for two parsed values if and only if the values and all their types are equal; NaN equals NaN.

    Sets and dictionaries are sorted instead of hashed.
    """
    tag, content = node
    if tag == b"f":
        return tag + _canonical_float(content)
    if tag == b"c":
        return tag + _canonical_float(content.real) + _canonical_float(content.imag)
    if tag not in _CONTAINER_TAGS:
        return encode(content)
    items = [canonical(item) for item in content]
    if tag == b"d":
        items = sorted(_sized_bytes(key) + item for key, item in zip(items[::2], items[1::2], strict=True))
    elif tag in (b"S", b"z"):
        items.sort()
    return tag + b"".join(map(_sized_bytes, items))


def _canonical_float(value: float) -> bytes:
    return b"nan" if value != value else _DOUBLE.pack(value + 0.0)


def _sized_bytes(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def send(channel: socket.socket, data: bytes) -> None:
    """Send one frame."""
    channel.sendall(_LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket) -> bytes | None:
    """Return the next frame, or None if the other side has closed the channel.

    Raises:
        BadFrame: the frame is longer than `FRAME_BYTES`, or incomplete.
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
    """Return `count` bytes, or fewer if the other side has closed the channel."""
    parts: list[bytes] = []
    while count:
        part = channel.recv(min(count, 1 << 16))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
