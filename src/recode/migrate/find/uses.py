"""The uses of updated APIs that reading a program comes by, with their places and how sure they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from recode.migrate.find.index import Entry, Index
from recode.symbol import ValueKind

_BY_POSITION = 0.9
_SPREAD = 0.8


class Use(NamedTuple):
    """A use: lines from 1, columns in UTF-8 bytes from 0, as syntax trees have them."""

    entry: Entry
    line: int
    column: int
    end_line: int
    end_column: int
    confidence: float
    is_name: bool
    guarded: bool = False
    """Whether it stands in a branch for one release."""


class Uses:
    """Collects uses; within a guard (a branch for one release only) they count for little."""

    GUARDED = 0.2
    """How sure a use is that stands in a branch for one release."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.found: list[Use] = []
        self.guards = 0

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Mark what is found within as standing in a branch for one release."""
        self.guards += 1
        try:
            yield
        finally:
            self.guards -= 1

    def mark(self) -> int:
        """Return a place to come back to by `forget`."""
        return len(self.found)

    def forget(self, mark: int) -> None:
        """Drop what was found since a mark."""
        del self.found[mark:]

    def forget_modules(self, mark: int) -> None:
        """Drop the names found since a mark that the next one goes on from: `numpy.core` in `numpy.core.numeric`."""
        self.found[mark:] = [one for one in self.found[mark:] if not one.is_name or one.entry.symbol.path[:1].isupper()]

    def name(self, path: str, node: ast.Name | ast.Attribute, name: str, sure: float, *, alone: bool = True) -> None:
        """Note that a name or attribute is what updates are about."""
        line, end = node.end_lineno or node.lineno, node.end_col_offset or 0
        column = end - len(name.encode())
        for entry in self.index.names[path]:
            self._add(entry, (line, column, line, end), sure if alone else sure * _SPREAD, is_name=True)

    def place(self, path: str, place: tuple[int, int, int, int], sure: float = 1.0) -> None:
        """Note that an import names what updates are about."""
        for entry in self.index.names[path]:
            self._add(entry, place, sure, is_name=True)

    def call(self, path: str, node: ast.Call, sure: float, *, partial: bool = False) -> None:
        """Note which arguments of a call updates are about."""
        for entry in self.index.calls[path]:
            kind = entry.update.kind
            if kind == "keyword_only":
                self._by_position(entry, path, node, sure)
            elif (
                any(one.kind is ValueKind.MISSING for one in entry.symbol.arguments)
                or kind == "parameter_added"
                or (kind == "default_changed" and not entry.symbol.has_values)
            ):
                self._missing(entry, path, node, sure, partial)
            else:
                self._given(entry, path, node, sure)

    def _given(self, entry: Entry, path: str, node: ast.Call, sure: float) -> None:
        """The parameter is given: by keyword, or by position where that no longer works either."""
        names = {one.stars + one.name: one for one in entry.symbol.arguments if one.name}
        for keyword in node.keywords:
            if keyword.arg in names and names[keyword.arg].accepts(keyword.value):
                width = len(keyword.arg.encode())
                place = (keyword.lineno, keyword.col_offset, keyword.lineno, keyword.col_offset + width)
                self._add(entry, place, sure)
        if "**params" in names:
            for keyword in node.keywords:
                if keyword.arg is not None:
                    width = len(keyword.arg.encode())
                    place = (keyword.lineno, keyword.col_offset, keyword.lineno, keyword.col_offset + width)
                    self._add(entry, place, sure * _BY_POSITION)
                    break
        nameless = [one for one in entry.symbol.arguments if not one.name]
        for meant, value in zip(nameless, node.args, strict=False):
            if meant.accepts(value):
                self._add(entry, _place(value), sure * _BY_POSITION)
        before, after = self.index.parameters.get(path, ()), self.index.positional.get(path)
        is_by_value = entry.symbol.has_values
        # A parameter that only has another name is still given by its position.
        if entry.update.kind == "parameter_renamed" or (not is_by_value and (after is None or after >= len(before))):
            return
        for argument, name in zip(node.args, before or tuple(names), strict=False):
            if isinstance(argument, ast.Starred):
                return
            if name in names and names[name].accepts(argument):
                self._add(entry, _place(argument), sure * _BY_POSITION)

    def _by_position(self, entry: Entry, path: str, node: ast.Call, sure: float) -> None:
        """More arguments are given by position than the newer release takes so."""
        most = self.index.positional.get(path)
        names = self.index.parameters.get(path, ())
        wanted = set(entry.symbol.keywords)
        for number, argument in enumerate(node.args):
            if isinstance(argument, ast.Starred):
                return
            name = names[number] if number < len(names) else ""
            if (name in wanted) if wanted else (most is not None and number >= most):
                self._add(entry, _place(argument), sure * _BY_POSITION)
                return

    def _missing(self, entry: Entry, path: str, node: ast.Call, sure: float, partial: bool) -> None:
        """The parameter is left to its default."""
        given = {keyword.arg for keyword in node.keywords}
        given |= set(self.index.parameters.get(path, ())[: len(node.args)])
        unclear = None in given or any(isinstance(one, ast.Starred) for one in node.args)
        if partial or unclear or given & set(entry.symbol.keywords):
            return
        func = node.func
        end, width = func.end_col_offset or 0, len(leaf_of(func).encode())
        line = func.end_lineno or func.lineno
        self._add(entry, (line, end - width, line, end), sure)

    def _add(self, entry: Entry, place: tuple[int, int, int, int], sure: float, *, is_name: bool = False) -> None:
        factor = self.GUARDED if self.guards else 1.0
        self.found.append(Use(entry, *place, sure * entry.factor * factor, is_name, self.guards > 0))


def _place(node: ast.expr) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def leaf_of(node: ast.expr) -> str:
    """Return the last part of a name or a chain of attributes; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
