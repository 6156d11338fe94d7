"""Facts about libraries that no annotation states: naming habits, what operators and loops give, names of release constants.

Most of them are data (`hints.toml`, `common_members.txt`).
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LISTS = ("closed", "guess", "evident", "declared", "keywords")
_FOLDER = Path(__file__).parent

# --- naming habits, operators and loops ---


@dataclass(frozen=True)
class Hints:
    """The hints of one or more libraries; `hints.toml` explains each field."""

    names: dict[str, str] = field(default_factory=dict)
    suffixes: dict[str, str] = field(default_factory=dict)
    returns: dict[str, str] = field(default_factory=dict)
    subscript: dict[str, tuple[str, str]] = field(default_factory=dict)
    attribute: dict[str, str] = field(default_factory=dict)
    loop: dict[str, tuple[str, ...]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    guess: frozenset[str] = frozenset()
    aliases: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    part: dict[str, str] = field(default_factory=dict)
    optional: dict[str, str] = field(default_factory=dict)
    bases: dict[str, tuple[str, str]] = field(default_factory=dict)
    named_classes: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    evident: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()


def merged_hints(libraries: Iterable[str]) -> Hints:
    """Return the hints of some libraries, merged into one; a library without hints adds nothing."""
    table = _hints()
    merged: dict[str, Any] = {}
    lists: dict[str, set[str]] = {name: set() for name in _LISTS}
    for library in sorted(libraries):
        for key, value in table.get(library, {}).items():
            if key in lists:
                lists[key] |= set(value)
            else:
                entries = {name: tuple(entry) if isinstance(entry, list) else entry for name, entry in value.items()}
                merged.setdefault(key, {}).update(entries)
    merged |= {name: frozenset(entries) for name, entries in lists.items()}
    return Hints(**merged)


@functools.cache
def _hints() -> dict[str, Any]:
    return tomllib.loads((_FOLDER / "hints.toml").read_text(encoding="utf-8"))


@functools.cache
def common_members() -> frozenset[str]:
    """Return the names of members that classes of Python, its standard library and the known libraries have today."""
    text = (_FOLDER / "common_members.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


# --- names of release constants ---

RELEASE_CONSTANTS = frozenset(
    {"__version__", "VERSION", "__version_info__", "version_info", "version", "version_tuple"}
)
"""Names under which a library's module states its own release."""
_NICKNAMES = {
    "Bio": ("biopython",), "PIL": ("pillow",), "django": ("dj",), "matplotlib": ("mpl",), "networkx": ("nx",), "numpy": ("np",),
    "pandas": ("pd",), "polars": ("pl",), "scipy": ("sp",), "skimage": ("scikit_image",), "sklearn": ("scikit_learn", "skl"),
    "sqlalchemy": ("sqla", "sa"), "xarray": ("xr",),
}  # fmt: skip
"""Import name → what else programs call the library in names of their own."""
_SHORT = 3
"""A nickname of so many letters followed by a number alone proves nothing: `nx2` may count anything."""
_COMPARED = r"(?:lte?|gte?|le|ge|eq|since|before|above|below|under|over|at_?least|v)"


def release_names(packages: Collection[str]) -> re.Pattern[str]:
    """Return a pattern of names that can only be about the release of some packages: `np_version`, `NUMPY_GE_2`, `pydantic_v2`.

    A name counts only with the library's own word in it: `has_header`, `is_float32`, `n_gt_0` and `conversion` test
    something else.
    """
    words = sorted({word for name in packages for word in (name, *_NICKNAMES.get(name, ()))})
    if not words:
        return re.compile(r"(?!)")
    every, long = (
        "|".join(map(re.escape, some)) for some in (words, [word for word in words if len(word) > _SHORT] or words)
    )
    number = r"[1-9]\d*(?:[_p]\d+)*(?:_?plus|_?x|_or_\w+)?$"
    return re.compile(
        rf"(?:^|_|^is|^has)(?:(?:{every})_?version(?:$|_|info|s$|\d)|version_(?:{every})(?:$|_)"
        rf"|(?:{every})_?{_COMPARED}_?v?{number}|(?:{long})_?{number})",
        re.IGNORECASE,
    )
