"""Interpreter state that a test may set and a program may read: random state, replaced built-in functions, and standard input.

Standard library only.
"""

from __future__ import annotations

import builtins
import io
import random
import sys
from typing import Any

_REPLACEABLE = {"input": input, "print": print, "open": open}
_STDIN = sys.stdin

Changes = tuple[tuple[str, Any], ...]


def seeds() -> Changes:
    """Return the state of the random number generators."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return (("random", random.getstate()),)
    name, keys, place, has_gauss, gauss = numpy.random.get_state()
    return ("random", random.getstate()), ("numpy", (name, keys.tobytes(), place, has_gauss, gauss))


def replaced() -> Changes:
    """Return the replaced built-in functions and, if replaced, the text of the standard input."""
    made: list[tuple[str, Any]] = [
        (name, getattr(builtins, name)) for name, own in _REPLACEABLE.items() if getattr(builtins, name) is not own
    ]
    if sys.stdin is not _STDIN and isinstance(sys.stdin, io.StringIO):
        made.append(("stdin", sys.stdin.read()))
    return tuple(made)


def apply(changes: Changes) -> None:
    """Apply the other process's changes to this process."""
    given = dict(changes)
    if "random" in given:
        random.setstate(given["random"])
    if "numpy" in given:
        import numpy

        name, keys, *rest = given["numpy"]
        numpy.random.set_state((name, numpy.frombuffer(keys, dtype="uint32"), *rest))
    if "restore" in given:
        for name, own in _REPLACEABLE.items():
            setattr(builtins, name, given.get(name, own))
        if "stdin" in given:
            sys.stdin = io.StringIO(given["stdin"])
