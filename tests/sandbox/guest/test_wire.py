"""The encoding of values: plain, typed, bounded, and safe to decode from any bytes."""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recode.sandbox.guest._wire import DEPTH, Array, BadFrame, NotPlain, canonical, decode, encode, parse

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary()
KEYS = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.frozensets(KEYS)
        | st.sets(KEYS)
    ),
    max_leaves=20,
)


def same(a: Any, b: Any) -> bool:
    return canonical(parse(encode(a))) == canonical(parse(encode(b)))


@given(VALUES)
def test_what_goes_in_comes_out(value: Any) -> None:
    assert same(decode(encode(value)), value)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(BadFrame, NotPlain):
        encode(decode(data))


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize(
    "value",
    [Liar(3), object(), [Liar(3)], {1: object()}, iter([]), 1 << 13000, b"x" * (1 << 21), type],
    ids=lambda value: type(value).__name__,
)
def test_other_types_and_long_values_are_not_carried(value: Any) -> None:
    with pytest.raises(NotPlain):
        encode(value)


def test_depth_is_bounded() -> None:
    value: Any = []
    for _ in range(DEPTH + 1):
        value = [value]
    with pytest.raises(NotPlain):
        encode(value)
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    with pytest.raises(NotPlain):
        encode(cyclic)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, True),
        (1, 1.0),
        ([1], (1,)),
        ({1}, frozenset({1})),
        ({True: 1}, {1: 1}),
        ("1", b"1"),
        (0, None),
        ([1], [1, 1]),
        ({1: 2}, {1: 3}),
    ],
)
def test_types_have_to_be_the_same_throughout(a: Any, b: Any) -> None:
    assert not same(a, b)
    assert not same([a], [b])


def test_the_order_of_sets_and_dictionaries_does_not_count() -> None:
    assert same({1: 2, "a": 3}, {"a": 3, 1: 2})
    assert same({1, 257, 513}, {513, 257, 1})
    assert not same({1: 2, "a": 3}, {"a": 3})
    assert same(-0.0, 0.0)


def chain(length: int) -> list[int]:
    """Different integers with different hashes that all probe the same places of a table."""
    return [number << 24 for number in range(1, length)]


def test_keys_that_collide_take_no_time() -> None:
    keys = chain(60_000)
    data = encode(tuple(keys))
    for tag in (b"S", b"z"):
        forged = tag + data[1:]
        began = time.monotonic()
        canonical(parse(forged))
        with pytest.raises(BadFrame, match="more keys"):
            decode(forged)
        assert time.monotonic() - began < 5


def test_nan_equals_nan() -> None:
    assert same([math.nan], [math.nan])


def test_arrays_are_plain_data() -> None:
    assert decode(encode(Array("<f8", (2,), b"\0" * 16))) == Array("<f8", (2,), b"\0" * 16)


def test_numpy_goes_by_dtype_shape_and_bytes() -> None:
    numpy = pytest.importorskip("numpy")
    made = decode(encode(numpy.arange(6, dtype="int16").reshape(2, 3)))
    assert made == Array("<i2", (2, 3), numpy.arange(6, dtype="int16").tobytes())
    assert decode(encode(numpy.float64(1.5))) == Array("<f8", (), numpy.float64(1.5).tobytes())
    with pytest.raises(NotPlain):
        encode(numpy.array([object()]))


@pytest.mark.parametrize(
    "data", [b"", b"q", b"i\xff\xff\xff\xff", b"s\0\0\0\1\xff", b"l\0\0\0\2NN" + b"N", b"A" + encode((1, 2, 3))[1:]]
)
def test_broken_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        decode(data)
