"""Names that have a meaning for a library where a program defines them: in class bodies, in settings files, as test methods.

`orm_mode` in the `class Config` of a pydantic model is a use of `pydantic.BaseModel.Config.orm_mode`; `USE_L10N` in a `settings.py` is one of
`django.conf.settings.USE_L10N`. Which names have such a meaning is data (`hints.toml`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from recode.migrate.find.index import Index
from recode.migrate.find.uses import Uses

_TEST_FILES = ("test_*.py", "*_test.py")
_OPTIONAL = frozenset({"Optional", "Any"})


class _Binding(NamedTuple):
    """A name that a statement binds, and where; columns in UTF-8 bytes."""

    name: str
    line: int
    column: int

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Line, column, end line and end column of the name."""
        return self.line, self.column, self.line, self.column + len(self.name.encode())


class Declarations:
    """Notes the uses in what a program declares."""

    def __init__(self, index: Index, uses: Uses, file: Path, lines: Sequence[str]) -> None:
        self.index, self.uses, self.file, self.lines = index, uses, file, lines
        hints = index.hints
        self.wanted = bool(hints.declared or hints.optional)
        names = hints.settings.get("files", "")
        self.is_settings = any(file.match(pattern) for pattern in names.split()) if names else False

    def named_base(self, node: ast.ClassDef) -> str:
        """Return the class that a class without bases stands for by its name, in a file of tests; empty for any other."""
        if node.bases or not any(fnmatch(self.file.name, pattern) for pattern in _TEST_FILES):
            return ""
        table = self.index.hints.named_classes
        return next((path for pattern, path in table.items() if fnmatch(node.name, pattern)), "")

    def class_body(self, node: ast.ClassDef, bases: Sequence[tuple[str, float]]) -> None:
        """Note what a class declares to the classes of libraries that it derives from (paths with confidences)."""
        if not self.wanted:
            return
        for base, confidence in bases:
            for path in self.index.bases(self.index.canonical(base)):
                self._members(node.body, path, confidence)
                self._required(node.body, path, confidence)

    def setting(self, node: ast.stmt) -> None:
        """Note the settings that a statement of a settings file binds."""
        if self.is_settings:
            prefix = self.index.hints.settings["prefix"]
            for binding in self._bindings(node):
                self._note(f"{prefix}.{binding.name}", binding, 1.0)

    def _members(self, body: Sequence[ast.stmt], owner: str, confidence: float) -> None:
        declared = self.index.hints.declared
        for statement in body:
            for binding in self._bindings(statement):
                path = f"{owner}.{binding.name}"
                if owner in declared or path in declared:
                    self._note(path, binding, confidence)
            if isinstance(statement, ast.ClassDef) and f"{owner}.{statement.name}" in declared:
                self._members(statement.body, f"{owner}.{statement.name}", confidence)

    def _required(self, body: Sequence[ast.stmt], owner: str, confidence: float) -> None:
        """Note the fields that may be None and have no default."""
        path = self.index.hints.optional.get(owner)
        if path is None or path not in self.index.names:
            return
        for statement in body:
            if isinstance(statement, ast.AnnAssign) and statement.value is None and _may_be_none(statement.annotation):
                for binding in self._bindings(statement):
                    self._note(path, binding, confidence)

    def _note(self, path: str, binding: _Binding, confidence: float) -> None:
        if path in self.index.names:
            self.uses.place(path, binding.place, confidence)

    def _bindings(self, node: ast.stmt) -> Iterator[_Binding]:
        """Yield the plain names that a statement binds."""
        match node:
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        yield _Binding(target.id, target.lineno, target.col_offset)
            case ast.AnnAssign(target=ast.Name() as target):
                yield _Binding(target.id, target.lineno, target.col_offset)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                line = self.lines[node.lineno - 1].encode() if node.lineno <= len(self.lines) else b""
                column = line.find(node.name.encode(), node.col_offset)
                yield _Binding(node.name, node.lineno, max(column, node.col_offset))


def _may_be_none(node: ast.expr) -> bool:
    """Say whether an annotation allows None: `Optional[X]`, `X | None`, `Union[X, None]`, `Any`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name == "Any"
        case ast.Subscript(value=ast.Name(id="Union") | ast.Attribute(attr="Union"), slice=ast.Tuple(elts=parts)):
            return any(_is_none(part) for part in parts)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _OPTIONAL
        case ast.BinOp(op=ast.BitOr()):
            return any(_is_none(part) or _may_be_none(part) for part in (node.left, node.right))
    return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
