"""What import statements bind and the uses in them, and what a project's own modules re-export.

A module that imports numpy as `np` re-exports that name to the files that import it from there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from recode.migrate.find.abstract_values import UNKNOWN, AbstractKind, Value, Values
from recode.migrate.find.operators import OperatorReader
from recode.migrate.find.uses import Uses

_EXPORTED = 0.9
"""Confidence of a name that is imported from a module of the project, which re-exports it."""


class ImportReader(OperatorReader):
    """Reads import statements. Positions within a line are counted in UTF-8 bytes, as in syntax trees."""

    lines: list[str]
    """The lines of the program, with their ends."""

    def import_(self, node: ast.Import) -> None:
        """`import a.b as c`."""
        for alias in node.names:
            self.imports.add(alias.name.partition(".")[0])
            self._import_names(alias.name, alias.lineno, alias.col_offset)
            stem = alias.name.rpartition(".")[2]
            is_own = alias.name.partition(".")[0] not in self.index.packages and stem in self.index.exports
            if is_own and (alias.asname or "." not in alias.name):
                self._bind_module(alias.asname or alias.name, stem)
            elif alias.asname:
                self.flow.assign(alias.asname, self._imported(alias.name))
            else:
                top = alias.name.partition(".")[0]
                self.flow.assign(top, (Value(AbstractKind.NAME, top),))

    def _import_names(self, module: str, line: int, column: int) -> None:
        """Note the longest prefix of an imported module's path that is an updated API."""
        parts = module.split(".")
        for count in range(len(parts), 0, -1):
            path = ".".join(parts[:count])
            if path in self.index.names:
                start = column + len(".".join(parts[: count - 1])) + (1 if count > 1 else 0)
                self.uses.place(path, (line, start, line, column + len(path)))
                return

    def import_from(self, node: ast.ImportFrom) -> None:
        """`from a.b import c as d`."""
        stem = (node.module or "").rpartition(".")[2]
        is_own = bool(node.level) or (node.module or "").partition(".")[0] not in self.index.packages
        exports = self.index.exports
        if is_own and (node.level or stem in exports or any(alias.name in exports for alias in node.names)):
            self._import_own(stem, node.names)
            return
        if node.module is None:
            return
        self.imports.add(node.module.partition(".")[0])
        is_noted = False
        for alias in node.names:
            if alias.name == "*":
                self.flow.stars.append(node.module)
                continue
            path = f"{node.module}.{alias.name}"
            if path not in self.index.names:
                path = self.index.canonical(path)
            if path in self.index.names:
                width = len(alias.name.encode())
                self.uses.place(path, (alias.lineno, alias.col_offset, alias.lineno, alias.col_offset + width))
                is_noted = True
            self.flow.assign(alias.asname or alias.name, self._imported(path))
            self.releases.note_imported(alias.asname or alias.name, alias.name, node.module in self.index.packages)
        if not is_noted:
            line, column = self._module_place(node)
            self._import_names(node.module, line, column)

    def _import_own(self, stem: str, names: list[ast.alias]) -> None:
        """Import from a module of the project, which may re-export a library."""
        exported = self.index.exports.get(stem, {})
        for alias in names:
            if alias.name == "*":
                for name, path in exported.items():
                    self._bind_name(name, path)
            elif exported.get(alias.name):
                path = exported[alias.name]
                if path in self.index.names:
                    width = len(alias.name.encode())
                    place = (alias.lineno, alias.col_offset, alias.lineno, alias.col_offset + width)
                    self.uses.place(path, place, _EXPORTED)
                self._bind_name(alias.asname or alias.name, path)
            else:
                self._bind_module(alias.asname or alias.name, alias.name)

    def _bind_name(self, name: str, path: str) -> None:
        """Bind a name that a module of the project re-exports; without a path nothing is known of it."""
        if path:
            self.imports.add(path.partition(".")[0])
        self.flow.assign(name, (Value(AbstractKind.NAME, path, _EXPORTED),) if path else UNKNOWN)

    def _bind_module(self, name: str, stem: str) -> None:
        """Bind a module of the project, if it re-exports a library."""
        exported = self.index.exports.get(stem)
        if exported:
            self.imports |= {path.partition(".")[0] for path in exported.values() if path}
        self.flow.assign(name, (Value(AbstractKind.MODULE, stem),) if exported else UNKNOWN)

    def _imported(self, path: str) -> Values:
        """Return what an imported name is; less confident where another branch imports another name in its place."""
        better = path if path in self.index.names or path in self.index.calls else self.index.canonical(path)
        confidence = Uses.GUARDED if self.uses.guards and better in self.index.names else 1.0
        return (Value(AbstractKind.NAME, better, confidence),)

    def _module_place(self, node: ast.ImportFrom) -> tuple[int, int]:
        """Return (line, column) of the module in `from module import …`, which the syntax tree does not give."""
        line = self.lines[node.lineno - 1].encode() if node.lineno <= len(self.lines) else b""
        at = line.find((node.module or "").encode(), node.col_offset + 4)
        return node.lineno, at if at >= 0 else node.col_offset


# --- what the project's own modules re-export ---

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
