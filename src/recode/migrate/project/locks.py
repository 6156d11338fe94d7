"""The releases that lock files pin: uv.lock, poetry.lock, pdm.lock, pylock.toml, Pipfile.lock and pinned requirements.

The format is recognised by the content, so a copy of a lock file may have any name.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from recode.errors import RecodeError
from recode.knowledge.versions import release

Pins = Mapping[str, str]
"""Normal name of each library → its release."""


@dataclass(frozen=True)
class LockedMove:
    """A library that has a newer release in the new lock file than in the old one."""

    library: str
    old: str
    new: str


def read_lock(file: Path) -> dict[str, str]:
    """Return what a lock file pins; of a library with several releases, the newest.

    Raises:
        RecodeError: the file cannot be read, or pins nothing in any known format.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecodeError(f"{file}: cannot be read ({error}); give a lock file") from None
    try:
        found = locked(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecodeError(f"{file}: is not a lock file of a known format ({error})") from None
    if not found:
        raise RecodeError(
            f"{file}: pins no release; known are uv.lock, poetry.lock, pdm.lock, pylock.toml, Pipfile.lock and requirements "
            "with name==release"
        )
    return found


def locked(text: str) -> dict[str, str]:
    """Return what the text of a lock file pins.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it has the look of a format and is broken.
    """
    if text.lstrip().startswith("{"):
        return _pipfile_lock(text)
    # The tables of uv, Poetry and PDM are `package`, that of pylock.toml is `packages`.
    if re.search(r"^\[\[packages?\]\]\s*$", text, re.MULTILINE):
        return _toml_lock(text)
    return _pinned_requirements(text)


def moved(old: Pins, new: Pins) -> list[LockedMove]:
    """Return the libraries whose release rises from one lock file to another, by name."""
    moves = []
    for name in sorted(old.keys() & new.keys()):
        before, after = release(old[name]), release(new[name])
        if before is not None and after is not None and before < after:
            moves.append(LockedMove(name, old[name], new[name]))
    return moves


def _toml_lock(text: str) -> dict[str, str]:
    value = tomllib.loads(text)
    found: dict[str, str] = {}
    for entry in (*value.get("package", []), *value.get("packages", [])):
        # The project itself, in uv's lock file, may have no release.
        if "version" in entry:
            _add(found, str(entry["name"]), str(entry["version"]))
    return found


def _pipfile_lock(text: str) -> dict[str, str]:
    value: dict[str, Any] = json.loads(text)
    found: dict[str, str] = {}
    for section, packages in value.items():
        if section == "_meta":
            continue
        for name, entry in packages.items():
            if str(entry.get("version", "")).startswith("=="):
                _add(found, name, str(entry["version"])[2:])
    return found


def _pinned_requirements(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        written = re.split(r"\s#|\s--hash", line)[0].strip()
        try:
            requirement = Requirement(written)
        except InvalidRequirement:
            continue
        for bound in requirement.specifier:
            if bound.operator in ("==", "===") and "*" not in bound.version:
                _add(found, requirement.name, bound.version)
    return found


def _add(found: dict[str, str], name: str, version: str) -> None:
    key = str(canonicalize_name(name))
    kept, other = release(found.get(key, "")), release(version)
    if kept is None or (other is not None and other > kept):
        found[key] = version
