"""A program's syntax tree with the place of each node in the text, in characters."""

from __future__ import annotations

import ast
import bisect
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from recode.source import parse_quietly

_LINE_END = re.compile(r"\r\n|\r|\n")
_MODULE = re.compile(r"from[ \t]+([\w.]+)")

Named: TypeAlias = ast.Attribute | ast.Name | ast.alias | ast.keyword | ast.ImportFrom
"""What a name in a program can stand for: the last part of a chain, a bare name, an import, a keyword of a call, an import's module."""


@dataclass(frozen=True)
class Place:
    """A name in the text: `start` and `end` are those of its last part, `node` is what it belongs to."""

    start: int
    end: int
    node: Named


class Tree:
    """A parsed program. Offsets count characters from the beginning of `text`, whatever its line ends are."""

    def __init__(self, text: str) -> None:
        """Parse the text.

        Raises:
            SyntaxError, ValueError, RecursionError, MemoryError: it is not a program of this Python.
        """
        self.text = text
        self.module = parse_quietly(text)
        self.starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
        self._ascii = text.isascii()
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes: list[ast.AST] = []
        for node in ast.walk(self.module):
            self.nodes.append(node)
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        self._places: dict[int, list[Place]] | None = None

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line (from 1) and a column in UTF-8 bytes (from 0), which is how trees count."""
        start = self.starts[line - 1]
        if self._ascii:
            return start + column
        end = self.starts[line] if line < len(self.starts) else len(self.text)
        return start + len(self.text[start:end].encode("utf-8", "surrogatepass")[:column].decode("utf-8", "ignore"))

    def line_of(self, offset: int) -> int:
        """Return the line, from 1, of an offset."""
        return bisect.bisect_right(self.starts, offset)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node stands; of a decorated definition, with its decorators."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        decorators = getattr(node, "decorator_list", None)
        if decorators:
            first = decorators[0]
            # The `@` stands before the expression, on its line or, behind a continuation, above.
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
        for one in (node, *self.above(node)):
            if isinstance(one, ast.stmt):
                return one
        raise ValueError("a node outside any statement")

    def place(self, start: int, end: int) -> Place | None:
        """Return the name that ends at `end`: given either its whole chain or its last part alone; None where no name does.

        A keyword, and an imported name that is then called otherwise, end where the name itself ends.
        """
        if self._places is None:
            self._places = {}
            for place in self._named():
                self._places.setdefault(place.end, []).append(place)
        for place in self._places.get(end, []):
            # An attribute's chain begins before its last part; of an import, the path's.
            first = self.span(place.node)[0]
            if first <= start <= place.start:
                return place
        return None

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
    """Return the tree of a program; the last ones are kept. Raises as `Tree` does."""
    return Tree(text)


def chain(node: ast.expr) -> tuple[ast.expr, list[str]]:
    """Return what an attribute chain begins with, and the names that follow: `np.core.records` is `np` and two names."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return node, names[::-1]
