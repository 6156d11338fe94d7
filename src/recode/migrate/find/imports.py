"""What import statements bind, and the uses in them.

A module that imports numpy as `np` re-exports that name to the files that import it from there (`project/own_modules.py`).
"""

from __future__ import annotations

import ast

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
            self.imports |= {base.partition(".")[0] for base in self.index.bases(path)}
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
