"""A file of a project as one program, for finding and rewriting alike; edits of the program become bytes of the file.

A module is its own program. The program of a notebook consists of its code cells, one after the other.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from recode.migrate.source import notebook, text
from recode.migrate.source.edits import Edit, apply, merged
from recode.migrate.source.scopes import Scopes
from recode.migrate.source.tree import Tree

_LETTER = re.compile(r'\\u[0-9a-fA-F]{4}|\\.|[^\\"]')


@dataclass(frozen=True)
class CellText:
    """A notebook's code cell within the program.

    `index` counts all cells of the notebook from 0, `start` is the cell's offset in the program, `source` its text
    there. `spans` are the string literals in the file that hold the text. `fault` says why the cell does not parse:
    then `source` is blank.
    """

    index: int
    start: int
    source: str
    spans: tuple[tuple[int, int], ...]
    fault: str = ""


@dataclass(frozen=True)
class Position:
    """A character of a file: line and column from 1. In a notebook they count within the cell's own source."""

    line: int
    column: int
    cell: int | None = None


@dataclass(frozen=True, eq=False)
class SourceFile:
    """A file that was read. `program` is the text that is parsed; edits are given in its offsets.

    `path` is relative to the project. In a notebook's program, magics and shell lines are replaced by as many
    characters that parse, and a cell that is no program is blank.
    """

    path: Path
    content: text.EncodedText
    program: str
    cells: tuple[CellText, ...] = ()

    @classmethod
    def from_bytes(cls, path: Path, data: bytes) -> SourceFile:
        """Return the source file with some content.

        Raises:
            Unreadable: it cannot be written back to the same bytes, or is no notebook of code in Python.
        """
        if path.suffix != ".ipynb":
            content = text.decode(data)
            return cls(path, content, content.text)
        content = text.decode(data, python=False)
        program, cells = "", []
        for cell in notebook.code_cells(content.text):
            if not cell.spans:
                continue
            # A cell that is no program does not prevent the others from being parsed.
            body = cell.python
            fault = _fault(body) if body.strip() else ""
            if fault:
                body = cell.blank
            cells.append(CellText(cell.index, len(program), body, cell.spans, fault))
            program += body if body.endswith("\n") else body + "\n"
        return cls(path, content, program, tuple(cells))

    @cached_property
    def tree(self) -> Tree:
        """The parsed program.

        Raises:
            SyntaxError, ValueError, RecursionError, MemoryError: it is not a program of this Python.
        """
        return Tree(self.program)

    @property
    def scopes(self) -> Scopes:
        """Which scope each name of the program belongs to. Raises as `tree` does."""
        return self.tree.scopes

    @property
    def newline(self) -> str:
        r"""The line end of added lines; within notebooks always `\n`."""
        return "\n" if self.cells else self.content.newline

    @property
    def original(self) -> bytes:
        """The file's bytes as they were read."""
        return self.content.encode()

    def lines(self) -> int:
        """Return how many lines of Python there are; cells that hold none do not count."""
        if self.path.suffix == ".ipynb":
            return sum(len(text.lines_of(cell.source)) for cell in self.cells if cell.source.strip())
        if "\r" in self.program:
            return len(text.lines_of(self.program))
        return self.program.count("\n") + (not self.program.endswith("\n"))

    # --- places ---

    def offset(self, line: int, column: int, cell: int | None = None) -> int:
        """Return the offset in `program` of a line and a column, both from 1 and in characters, of the file or a cell.

        Raises:
            ValueError: there is no such place.
        """
        base, content = 0, self.program
        if self.cells:
            piece = next((candidate for candidate in self.cells if candidate.index == cell), None)
            if piece is None:
                raise ValueError(f"no code cell {cell}")
            base, content = piece.start, piece.source
        lines = text.lines_of(content)
        if not 1 <= line <= len(lines):
            raise ValueError(f"no line {line}")
        return base + sum(map(len, lines[: line - 1])) + column - 1

    def position(self, line: int, column: int) -> Position:
        """Return the position of a line (from 1) and a column in UTF-8 bytes (from 0) of the program's tree."""
        offset = self.tree.offset(line, column)
        start = self.tree.starts[line - 1]
        if not self.cells:
            return Position(line, offset - start + 1)
        cell = self._cell(start)
        return Position(line - self.tree.line_of(cell.start) + 1, offset - start + 1, cell.index)

    def bounds(self, offset: int) -> tuple[int, int]:
        """Return the part of the program that an edit at an offset may be in: a cell's own text, or all."""
        if not self.cells:
            return 0, len(self.program)
        cell = self._cell(offset)
        return cell.start, cell.start + len(cell.source)

    def _cell(self, offset: int) -> CellText:
        return self.cells[max(0, bisect_right([cell.start for cell in self.cells], offset) - 1)]

    # --- edits ---

    def encoded(self, edits: Iterable[Edit]) -> bytes:
        """Return the file's bytes after some edits of the program.

        Raises:
            Unreadable: the file's encoding lacks a character of an edit.
            ValueError: edits overlap, or one extends beyond the end of a cell.
        """
        if not self.cells:
            return self.content.encode(apply(self.program, edits))
        return self.content.encode(apply(self.content.text, [self._in_file(edit) for edit in merged(edits)]))

    def _in_file(self, edit: Edit) -> Edit:
        """Return an edit of a cell as an edit of the notebook's JSON: escaped, and one string a line."""
        cell = self._cell(edit.start)
        first, last = edit.start - cell.start, edit.end - cell.start
        if last > len(cell.source):
            raise ValueError("an edit extends beyond the end of a cell")
        raw = self.content.text
        letters = _letters(raw, cell.spans)
        # An insertion at the end of a literal belongs behind its last letter.
        start = letters[first][0] if first < len(letters) else letters[-1][1]
        end = letters[last - 1][1] if last > first else start
        if last == first and first and raw[letters[first - 1][1]] == '"' and cell.source[first - 1] != "\n":
            start = end = letters[first - 1][1]
        escaped = json.dumps(edit.text, ensure_ascii=raw.isascii())[1:-1]
        return Edit(start, end, _as_lines(escaped, raw, cell.spans))


def read_source(root: Path, path: Path) -> SourceFile:
    """Read a file of a project; the path is relative to the root.

    Raises:
        Unreadable: it cannot be read and written back to the same bytes, or is no notebook of code in Python.
    """
    return SourceFile.from_bytes(path, text.read_bytes(root / path))


def syntax_fault(source: SourceFile) -> str:
    """Return why a file does not parse; empty where it does, and then its `tree` is there."""
    return _fault_of(lambda: source.tree)


def _fault(program: str) -> str:
    return _fault_of(lambda: Tree(program))


def _fault_of(parse: Callable[[], Tree]) -> str:
    try:
        parse()
    except SyntaxError as error:
        return f"does not parse (line {error.lineno}: {error.msg})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"does not parse ({error})"
    return ""


def _letters(raw: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the span in the file of each character of a cell's source."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        at = start + 1
        while at < end - 1:
            match = _LETTER.match(raw, at)
            assert match is not None
            after = match.end()
            # A character beyond the basic plane may be written as two escapes.
            if re.match(r"\\u[dD][89abAB]", match.group()) and re.match(r"\\u[dD][c-fC-F]", raw[after : after + 4]):
                after += 6
            found.append((at, after))
            at = after
    return found


def _as_lines(escaped: str, raw: str, spans: Sequence[tuple[int, int]]) -> str:
    """Break an escaped text into one string a line where the cell itself is written so."""
    if len(spans) < 2:
        return escaped
    between = raw[spans[0][1] : spans[1][0]]
    return f'"{between}"'.join(re.split(r"(?<=\\n)", escaped))
