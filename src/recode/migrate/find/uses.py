"""Uses of updated APIs, collected while a program is read, with their places and confidence."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple

from recode.migrate.find.index import Entry, Index
from recode.symbol import ValueKind

Spread = Mapping[ast.expr, Mapping[str, ast.expr | None]]
"""Expressions behind `**` in a call → the keys of the dictionary that are known."""
_BY_POSITION = 0.9
_SPREAD = 0.8


class Use(NamedTuple):
    """A use: lines from 1, columns in UTF-8 bytes from 0, as in syntax trees."""

    entry: Entry
    line: int
    column: int
    end_line: int
    end_column: int
    confidence: float
    is_name: bool
    guarded: bool = False
    """Whether it is in a branch for some releases only."""


class Uses:
    """Collects uses; those within a guard (a branch for some releases only) get a low confidence."""

    GUARDED = 0.2
    """Factor on the confidence of a use in a branch for some releases only."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.uses: list[Use] = []
        self.guards = 0
        """How many guards are around what is read now."""
        self.guarded_lines: set[int] = set()
        """Lines of statements and expressions that run in some releases only."""

    @contextmanager
    def guarded(self, expression: ast.expr | None = None) -> Iterator[None]:
        """Mark the uses noted within, and the lines of an expression, as being in a branch for some releases only."""
        self.guards += 1
        if expression is not None and expression.end_lineno is not None:
            self.guarded_lines.update(range(expression.lineno, expression.end_lineno + 1))
        try:
            yield
        finally:
            self.guards -= 1

    def mark(self) -> int:
        """Return a mark for `forget`."""
        return len(self.uses)

    def forget(self, mark: int) -> None:
        """Drop the uses noted since a mark."""
        del self.uses[mark:]

    def forget_modules(self, mark: int) -> None:
        """Drop the names noted since a mark that begin a longer one: `numpy.core` in `numpy.core.numeric`."""
        self.uses[mark:] = [use for use in self.uses[mark:] if not use.is_name or use.entry.symbol.path[:1].isupper()]

    def name(
        self, path: str, node: ast.Name | ast.Attribute, name: str, confidence: float, *, alone: bool = True
    ) -> None:
        """Note that a name or attribute is an updated API; `alone` says that it can be nothing else."""
        line, end = node.end_lineno or node.lineno, node.end_col_offset or 0
        column = end - len(name.encode())
        for entry in self.index.names[path]:
            self._add(entry, (line, column, line, end), confidence if alone else confidence * _SPREAD, is_name=True)

    def place(self, path: str, place: tuple[int, int, int, int], confidence: float = 1.0) -> None:
        """Note that an import names an updated API; `place` is (line, column, end line, end column)."""
        for entry in self.index.names[path]:
            self._add(entry, place, confidence, is_name=True)

    def call(
        self,
        path: str,
        node: ast.Call,
        confidence: float,
        *,
        partial: bool = False,
        spread: Spread = MappingProxyType({}),
    ) -> None:
        """Note the arguments of a call that updates concern.

        Args:
            path: of the callable.
            node: the call.
            confidence: that it is a call of this callable.
            partial: whether the arguments may be completed later (`functools.partial`).
            spread: the known keys of each dictionary that the call spreads (`**options`).
        """
        for entry in self.index.calls[path]:
            kind = entry.update.kind
            if kind == "keyword_only":
                self._by_position(entry, path, node, confidence)
            elif (
                any(argument.kind is ValueKind.MISSING for argument in entry.symbol.arguments)
                or kind == "parameter_added"
                or (kind == "default_changed" and not entry.symbol.has_values)
            ):
                self._missing(entry, path, node, confidence, partial, spread)
            else:
                self._given(entry, path, node, confidence, spread)

    def _given(self, entry: Entry, path: str, node: ast.Call, confidence: float, spread: Spread) -> None:
        """Note a parameter that is given: by keyword, or by position where that no longer works either."""
        names = {meant.stars + meant.name: meant for meant in entry.symbol.arguments if meant.name}
        for expression, keys in spread.items():
            for key, value in keys.items():
                if key in names and (names[key].kind is ValueKind.ANY or (value and names[key].accepts(value))):
                    self._add(entry, place_of(expression), confidence * _BY_POSITION)
        for keyword in node.keywords:
            if keyword.arg in names and names[keyword.arg].accepts(keyword.value):
                width = len(keyword.arg.encode())
                place = (keyword.lineno, keyword.col_offset, keyword.lineno, keyword.col_offset + width)
                self._add(entry, place, confidence)
        if "**params" in names:
            for keyword in node.keywords:
                if keyword.arg is not None:
                    width = len(keyword.arg.encode())
                    place = (keyword.lineno, keyword.col_offset, keyword.lineno, keyword.col_offset + width)
                    self._add(entry, place, confidence * _BY_POSITION)
                    break
        nameless = [meant for meant in entry.symbol.arguments if not meant.name]
        for meant, value in zip(nameless, node.args, strict=False):
            if meant.accepts(value):
                self._add(entry, place_of(value), confidence * _BY_POSITION)
        before, after = self.index.parameters.get(path, ()), self.index.positional.get(path)
        is_by_value = entry.symbol.has_values
        # A parameter that only has another name is still given by its position.
        if entry.update.kind == "parameter_renamed" or (not is_by_value and (after is None or after >= len(before))):
            return
        for argument, name in zip(node.args, before or tuple(names), strict=False):
            if isinstance(argument, ast.Starred):
                return
            if name in names and names[name].accepts(argument):
                self._add(entry, place_of(argument), confidence * _BY_POSITION)

    def _by_position(self, entry: Entry, path: str, node: ast.Call, confidence: float) -> None:
        """Note the first argument that the newer release no longer takes by position."""
        most = self.index.positional.get(path)
        names = self.index.parameters.get(path, ())
        wanted = set(entry.symbol.keywords)
        for number, argument in enumerate(node.args):
            if isinstance(argument, ast.Starred):
                return
            name = names[number] if number < len(names) else ""
            if (name in wanted) if wanted else (most is not None and number >= most):
                self._add(entry, place_of(argument), confidence * _BY_POSITION)
                return

    def _missing(
        self, entry: Entry, path: str, node: ast.Call, confidence: float, partial: bool, spread: Spread
    ) -> None:
        """Note that a parameter is left to its default."""
        given = {keyword.arg for keyword in node.keywords if keyword.value not in spread}
        given.update(*spread.values())
        given |= set(self.index.parameters.get(path, ())[: len(node.args)])
        unclear = None in given or any(isinstance(argument, ast.Starred) for argument in node.args)
        if partial or unclear or given & set(entry.symbol.keywords):
            return
        func = node.func
        end, width = func.end_col_offset or 0, len(leaf_of(func).encode())
        line = func.end_lineno or func.lineno
        self._add(entry, (line, end - width, line, end), confidence)

    def _add(self, entry: Entry, place: tuple[int, int, int, int], confidence: float, *, is_name: bool = False) -> None:
        factor = self.GUARDED if self.guards else 1.0
        self.uses.append(Use(entry, *place, confidence * entry.factor * factor, is_name, self.guards > 0))


def place_of(node: ast.expr) -> tuple[int, int, int, int]:
    """Return line, column, end line and end column of an expression, as in syntax trees."""
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def leaf_of(node: ast.expr) -> str:
    """Return the last part of a name or a chain of attributes; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
