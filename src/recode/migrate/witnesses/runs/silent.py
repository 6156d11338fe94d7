"""What releases are known to change without an error, a warning or a name that shows it: only a run does."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

_FILE = Path(__file__).with_name("silent.toml")


@dataclass(frozen=True)
class SilentChange:
    """A change of behaviour: the library, the release that makes it, what it is, and the page that says so."""

    library: str
    release: str
    text: str
    source: str


@functools.cache
def _known() -> tuple[SilentChange, ...]:
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["change"]
    return tuple(SilentChange(row["library"], row["release"], row["text"], row["source"]) for row in rows)


def silent_changes(library: str, old: str | None, new: str) -> list[SilentChange]:
    """Return the silent changes of a library after one release, up to another; an unknown old release is before all."""
    try:
        first, last = Version(old or "0"), Version(new)
    except InvalidVersion:
        return []
    name = canonicalize_name(library)
    return [change for change in _known() if change.library == name and first < Version(change.release) <= last]
