"""Names of members that classes have today: of Python and its standard library, and of the libraries' newer releases.

A member that an update took away tells whose it is by its name alone only where nothing else has one of that name.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from recode.collect.walk import Api
from recode.records import write_text

_NOT_LOADED = frozenset({"antigravity", "this", "idlelib", "lib2to3", "turtledemo", "turtle", "test", "__main__"})


def write_common(file: Path, apis: Iterable[Api]) -> int:
    """Add the members of some releases' classes, and of the standard library's, to a file; return how many there are."""
    try:
        found = set(file.read_text(encoding="utf-8").split())
    except OSError:
        found = set()
    found |= _standard()
    for api in apis:
        for name in api.names:
            found |= set(name.members) | name.inherited
    plain = sorted(name for name in found if not name.startswith("_"))
    write_text(file, "\n".join(plain) + "\n")
    return len(plain)


def _standard() -> set[str]:
    """Return the members of the standard library's classes."""
    found: set[str] = set()
    for name in sorted(sys.stdlib_module_names):
        if name.startswith("_") or name in _NOT_LOADED:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = importlib.import_module(name)
        except (ImportError, OSError):
            continue
        for leaf, value in vars(module).items():
            if not leaf.startswith("_") and inspect.isclass(value):
                found |= set(dir(value))
    return found
