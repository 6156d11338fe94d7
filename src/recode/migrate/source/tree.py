"""A program's syntax tree with the place of each node in the text, in characters."""

from __future__ import annotations

import ast
import bisect
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from recode.migrate.source.scopes import Scopes
from recode.source import parse_quietly

_LINE_END = re.compile(r"\r\n|\r|\n")
_DEFINITION = re.compile(r"(?:async\s+)?def\s+")
_MODULE = re.compile(r"from[ \t]+([\w.]+)")

Named: TypeAlias = (
    ast.Attribute | ast.Name | ast.alias | ast.keyword | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef
)
"""Nodes that names belong to: the last part of a chain, a bare name, an import, a keyword argument, an import's module."""


@dataclass(frozen=True)
class Place:
    """A name in a program: `start` and `end` are the offsets of its last part, `node` is the node that it belongs to."""

    start: int
    end: int
    node: Named


class Tree:
    """A parsed program. Offsets count characters from the beginning of `text`, however its lines end."""

    def __init__(self, text: str) -> None:
        """Parse the text.

        Raises:
            SyntaxError, ValueError, RecursionError, MemoryError: it is not a program of this Python.
        """
        self.text = text
        self.module = parse_quietly(text)
        self._ascii = text.isascii()

    # Finding needs the nodes alone, so the rest is computed when it is first asked for.

    @cached_property
    def scopes(self) -> Scopes:
        """Which scope each name belongs to."""
        return Scopes(self.module)

    @cached_property
    def starts(self) -> list[int]:
        """The offset at which each line starts."""
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes, in the order of `ast.walk`."""
        return list(ast.walk(self.module))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Each node's parent; the module has none."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line (from 1) and a column in UTF-8 bytes (from 0), as nodes count them."""
        start = self.starts[line - 1]
        if self._ascii:
            return start + column
        end = self.starts[line] if line < len(self.starts) else len(self.text)
        return start + len(self.text[start:end].encode("utf-8", "surrogatepass")[:column].decode("utf-8", "ignore"))

    def line_of(self, offset: int) -> int:
        """Return the line, from 1, of an offset."""
        return bisect.bisect_right(self.starts, offset)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the offsets at which a node starts and ends; a decorated definition starts with its decorators."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        decorators = getattr(node, "decorator_list", None)
        if decorators:
            first = decorators[0]
            # The `@` is before the expression, on the same line or, with a continuation, above it.
            start = self.text.rfind("@", 0, self.offset(first.lineno, first.col_offset))
        else:
            start = self.offset(line, column)
        return start, self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def segment(self, node: ast.AST) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around a node, from the inside."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def statement(self, node: ast.AST) -> ast.stmt:
        """Return the innermost statement that a node is in, or itself."""
        for candidate in (node, *self.above(node)):
            if isinstance(candidate, ast.stmt):
                return candidate
        raise ValueError("a node outside any statement")

    def place(self, start: int, end: int) -> Place | None:
        """Return the name that ends at `end`; None where no name does.

        `start` is where its last part or its whole chain starts. Of a keyword argument, and of an imported name with
        `as`, only the name itself counts.
        """
        for place in self._places.get(end, []):
            # A chain or an imported path begins before its last part.
            first = self.span(place.node)[0]
            if first <= start <= place.start:
                return place
        return None

    @cached_property
    def _places(self) -> dict[int, list[Place]]:
        found: dict[int, list[Place]] = {}
        for place in self._named():
            found.setdefault(place.end, []).append(place)
        return found

    def _named(self) -> Iterator[Place]:
        for node in self.nodes:
            if isinstance(node, ast.Attribute):
                end = self.span(node)[1]
                if self.text[end - len(node.attr) : end] == node.attr:
                    yield Place(end - len(node.attr), end, node)
            elif isinstance(node, ast.Name):
                start, end = self.span(node)
                if self.text[start:end] == node.id:
                    yield Place(start, end, node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                match = _DEFINITION.match(self.text, self.span(node)[0])
                if match and self.text.startswith(node.name, match.end()):
                    yield Place(match.end(), match.end() + len(node.name), node)
            elif isinstance(node, ast.keyword) and node.arg:
                start = self.span(node)[0]
                if self.text.startswith(node.arg, start):
                    yield Place(start, start + len(node.arg), node)
            elif isinstance(node, ast.alias):
                yield from self._parts(node, self.span(node)[0], node.name)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                match = _MODULE.match(self.text, self.span(node)[0])
                if match:
                    yield from self._parts(node, match.start(1), node.module)

    def _parts(self, node: ast.alias | ast.ImportFrom, start: int, path: str) -> Iterator[Place]:
        """Yield each part of an imported path that is written in one piece."""
        if not self.text.startswith(path, start):
            return
        for part in path.split("."):
            yield Place(start, start + len(part), node)
            start += len(part) + 1


@functools.lru_cache(maxsize=256)
def parsed(text: str) -> Tree:
    """Return the tree of a program that is no file, such as one with edits; the last ones are kept. Raises as `Tree` does."""
    return Tree(text)


def chain(node: ast.expr) -> tuple[ast.expr, list[str]]:
    """Return the root of an attribute chain and the names that follow: for `np.core.records`, `np` and two names."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return node, names[::-1]
