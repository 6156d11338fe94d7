"""Names of members that classes have today: those of the standard library, and of the libraries' newer releases.

The name of a removed member identifies its class only if no other class has a member of that name.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path

from recode.collect.walk.public_api import Api
from recode.records import write_text

_MODULES = (
    "argparse array ast asyncio builtins calendar collections concurrent.futures configparser contextlib copy csv ctypes datetime "
    "decimal difflib email.message enum fractions functools hashlib heapq html.parser http.client inspect io itertools json logging "
    "multiprocessing operator pathlib pickle queue random re select selectors shelve smtplib socket sqlite3 ssl statistics string "
    "struct subprocess tarfile tempfile textwrap threading time traceback types typing unittest urllib.request uuid weakref "
    "xml.etree.ElementTree zipfile"
).split()
"""Modules of the standard library whose classes are in common use."""
_VENDORED = frozenset({"externals", "extern", "vendor", "compat"})
"""Names of modules that contain copies of other libraries."""


def write_common(file: Path, api: Api, lost: Mapping[str, frozenset[str]]) -> int:
    """Add the members of a release's classes and of the standard library's to a file; return the number of names in it.

    `lost` maps a class to the members that its base classes lost. They are left out: that `MaskedArray` still has `ptp` is no
    reason to doubt that a use of `ptp` is one of `ndarray`.
    """
    try:
        found = set(file.read_text(encoding="utf-8").split())
    except OSError:
        found = set()
    found |= _standard()
    for name in api.names:
        if not _VENDORED.isdisjoint(name.path.split(".")):
            continue
        of_bases = frozenset().union(*(lost.get(path, frozenset()) for path in name.paths))
        found |= (set(name.members) | name.inherited) - of_bases
    plain = sorted(name for name in found if not name.startswith("_"))
    write_text(file, "\n".join(plain) + "\n")
    return len(plain)


def _standard() -> set[str]:
    """Return the members of the standard library's classes, private ones included."""
    found: set[str] = set()
    for name in _MODULES:
        module = importlib.import_module(name)
        for leaf, value in vars(module).items():
            if not leaf.startswith("_") and inspect.isclass(value):
                found |= set(dir(value))
    return found
