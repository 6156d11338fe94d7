"""The files that come with ReCode, found by name from any folder: the data set, the locks, the recipes.

They are in `data/` and `recipes/` of a checkout. A wheel contains copies of both inside the package, in `share/`.
"""

from __future__ import annotations

import functools
from pathlib import Path

from recode.errors import RecordError

ALL_SPLITS = "@all"
"""Names the folder of the data set."""

_PACKAGE = Path(__file__).resolve().parent
_SHARE = _PACKAGE / "share"


@functools.cache
def shipped_root() -> Path:
    """Return the folder that holds `data/` and `recipes/`: the checkout this code runs from, else the installed copies."""
    checkout = _PACKAGE.parents[1]
    return checkout if (checkout / "pyproject.toml").is_file() and (checkout / "recipes").is_dir() else _SHARE


def shipped(name: str | Path) -> Path:
    """Return the path of a file or folder that a user named.

    The first of these that exists:

    1. `@train`, `@test_updates` and so on: a split of the data set; `@all`: the folder of the data set.
    2. The path as it is.
    3. A path below the files that come with ReCode, such as `data/locks` or `recipes/quickstart/grpo.toml`.
    4. A recipe without `recipes/` and `.toml`, such as `quickstart/grpo`.

    If none does, the path is returned as it is, so that the error of the code that reads it names it.

    Raises:
        RecordError: no split has the name after the `@`.
    """
    text = str(name)
    if text.startswith("@") and "/" not in text:
        return _split(text)
    given = Path(name)
    if given.is_absolute() or ".." in given.parts or given.exists():
        return given
    root = shipped_root()
    candidates = [root / given, root / "recipes" / given, root / "recipes" / f"{given}.toml"]
    return next((path for path in candidates if path.exists()), given)


def is_shipped_copy(path: Path) -> bool:
    """Return whether a path is in the installed copies, where nothing should be written."""
    return path.resolve().is_relative_to(_SHARE)


def _split(name: str) -> Path:
    data = shipped_root() / "data"
    if name == ALL_SPLITS:
        return data
    path = data / f"{name.removeprefix('@')}.jsonl"
    if not path.is_file():
        known = sorted(f"@{file.stem}" for file in data.glob("*.jsonl"))
        raise RecordError(f"{name}: no split has this name; choose from {', '.join([ALL_SPLITS, *known])}")
    return path
