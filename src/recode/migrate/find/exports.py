"""What a project's own modules re-export: `np` of a module that imports numpy under that name, for files that import it from there."""

from __future__ import annotations

import re
from collections.abc import Iterable

_IMPORT = re.compile(r"^(?:try:\s*)?\s{0,4}import\s+([\w.]+)(?:\s+as\s+(\w+))?\s*(?:#.*)?$", re.MULTILINE)
_FROM = re.compile(r"^\s{0,4}from\s+([\w.]+)\s+import\s+([\w ,]+?)\s*(?:#.*)?$", re.MULTILINE)

Exports = dict[str, dict[str, str]]
"""A module's last name → the names that it imports from the libraries in question → their paths there."""


def exported_names(text: str, packages: Iterable[str]) -> dict[str, str]:
    """Return the names that a module binds by importing from some packages, each with its path there.

    Only plain import lines count, indented by at most four spaces: this runs on files that are not parsed.
    """
    wanted = set(packages)
    found: dict[str, str] = {}
    for match in _IMPORT.finditer(text):
        path, name = match.group(1), match.group(2)
        top = path.partition(".")[0]
        if top in wanted:
            found[name or top] = path if name else top
    for match in _FROM.finditer(text):
        if match.group(1).partition(".")[0] in wanted:
            for part in match.group(2).split(","):
                words = part.split()
                if len(words) in (1, 3):
                    found[words[-1]] = f"{match.group(1)}.{words[0]}"
    return found


def add_exports(table: Exports, stem: str, names: dict[str, str]) -> None:
    """Add a module's names to a table. Where two modules of the same name disagree on one, its path becomes empty."""
    known = table.setdefault(stem, dict(names))
    for name, path in names.items():
        if known.setdefault(name, path) != path:
            known[name] = ""
