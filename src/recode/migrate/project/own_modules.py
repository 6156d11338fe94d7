"""What a project's own modules give to each other: names of libraries, and classes that derive from those of libraries.

This reads files that are not parsed, so only plain import lines and the heads of classes at a module's top count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recode.migrate.find.index import Index
from recode.migrate.source.text import LARGEST

_IMPORT = re.compile(r"^(?:try:\s*)?\s{0,4}import\s+([\w.]+)(?:\s+as\s+(\w+))?\s*(?:#.*)?$", re.MULTILINE)
_FROM = re.compile(r"^\s{0,4}from\s+([\w.]+)\s+import\s+(\([^()]*\)|[\w ,]+?)\s*(?:#.*)?$", re.MULTILINE)
_CLASS = re.compile(r"^class\s+(\w+)\s*\(([^()]*)\)\s*:", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_DEPTH = 6
"""How many classes of a project may stand between one of it and that of a library."""

Exports = dict[str, dict[str, str]]
"""A module's last name → the names that it imports from the libraries in question → their paths there."""


@dataclass(frozen=True)
class OwnModules:
    """What the modules of a project hold.

    Attributes:
        exports: what they re-export, and their own classes that derive from those of libraries (`models.Order`).
        classes: those classes → the libraries' classes that they derive from.
        names: the names of the project's own modules and packages.
        is_used: whether any module imports one of the libraries.
    """

    exports: Exports = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    is_used: bool = False


def read_own_modules(folder: Path, files: Sequence[Path], index: Index) -> OwnModules:
    """Return what the modules of a project hold.

    Args:
        folder: the project's folder.
        files: its files, relative to it.
        index: what is known of the libraries.
    """
    table: Exports = {}
    texts: dict[Path, tuple[str, str]] = {}
    marks = tuple(package.encode() for package in index.packages)
    names: set[str] = set()
    for file in files:
        if file.suffix not in (".py", ".pyi"):
            continue
        stem = file.parent.name if file.stem == "__init__" else file.stem
        names |= {stem, *file.parts[:-1]}
        try:
            path = folder / file
            if path.is_symlink() or path.stat().st_size > LARGEST:
                continue
            data = path.read_bytes()
        except OSError:
            continue
        if not stem or b"import" not in data:
            continue
        if any(mark in data for mark in marks):
            text = data.decode("utf-8", "replace")
            if exported := exported_names(text, index.packages):
                add_exports(table, stem, exported)
            texts[file] = (stem, text)
        elif b"\nclass " in data:
            texts[file] = (stem, data.decode("utf-8", "replace"))
    is_used = bool(table)
    classes = _classes(texts, index) if is_used else {}
    for own in classes:
        stem, _, name = own.rpartition(".")
        table.setdefault(stem, {}).setdefault(name, own)
    exports = {stem: found for stem, found in table.items() if stem not in index.packages}
    return OwnModules(exports, classes, frozenset(names - index.packages - {""}), is_used)


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
    found.update(
        (name, f"{module}.{original}")
        for module, original, name in _imported_from(text)
        if module.partition(".")[0] in wanted
    )
    return found


def add_exports(table: Exports, stem: str, names: dict[str, str]) -> None:
    """Add a module's names to a table. Where two modules of the same name disagree on one, its path becomes empty."""
    known = table.setdefault(stem, dict(names))
    for name, path in names.items():
        if known.setdefault(name, path) != path:
            known[name] = ""


def _imported_from(text: str) -> Iterable[tuple[str, str, str]]:
    """Yield the module, the name there and the name here of each `from … import …`."""
    for match in _FROM.finditer(text):
        for part in _COMMENT.sub("", match.group(2)).strip("()").split(","):
            words = part.split()
            if len(words) in (1, 3):
                yield match.group(1), words[0], words[-1]


def _classes(texts: Mapping[Path, tuple[str, str]], index: Index) -> dict[str, tuple[str, ...]]:
    """Return the project's classes that derive from those of libraries, as `module.Class` with the module's last name."""
    heads: dict[str, list[str]] = {}
    twice: set[str] = set()
    for stem, text in texts.values():
        known = exported_names(text, index.packages)
        for module, original, name in _imported_from(text):
            known.setdefault(name, f"{module.rpartition('.')[2]}.{original}")
        mine = {match.group(1) for match in _CLASS.finditer(text)}
        for match in _CLASS.finditer(text):
            path = f"{stem}.{match.group(1)}"
            if path in heads:
                twice.add(path)
            bases = [base.partition("[")[0].strip() for base in _COMMENT.sub("", match.group(2)).split(",")]
            heads[path] = [_base(base, stem, known, mine) for base in bases if base and "=" not in base]
    for path in twice:
        del heads[path]
    found: dict[str, tuple[str, ...]] = {}
    for _ in range(_DEPTH):
        for path, bases in heads.items():
            given: list[str] = []
            for base in bases:
                if base in found:
                    given += found[base]
                elif base.partition(".")[0] in index.packages:
                    given += index.bases(index.canonical(base))
            if given:
                found[path] = tuple(dict.fromkeys(given))
    return found


def _base(base: str, stem: str, known: Mapping[str, str], mine: set[str]) -> str:
    """Return the path of a base class as a module writes it."""
    root, _, rest = base.partition(".")
    if not rest and root in mine:
        return f"{stem}.{root}"
    path = known.get(root, root)
    return f"{path}.{rest}" if rest else path
