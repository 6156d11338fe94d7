"""One file of a project as one program: a module, or a notebook's code cells in a row; and back to bytes with edits done."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.migrate.source import notebook, text
from recode.migrate.source.edits import Edit, apply, merged
from recode.source import parses

_LITERAL = re.compile(r'\\u[0-9a-fA-F]{4}|\\.|[^\\"]')


@dataclass(frozen=True)
class _Piece:
    """A cell within the program: where it begins there, its source, and its string literals in the file."""

    index: int
    start: int
    source: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Document:
    """A file that was read. `program` is what is parsed; its offsets are those that edits are in.

    In a notebook, magics and shell lines are replaced by as many characters that parse.
    """

    path: Path
    source: text.Source
    program: str
    pieces: tuple[_Piece, ...] = ()

    @property
    def newline(self) -> str:
        r"""The line end for lines that are added; within notebooks always `\n`."""
        return "\n" if self.pieces else self.source.newline

    @property
    def original(self) -> bytes:
        """The file's bytes as they were read."""
        return self.source.encode()

    def offset(self, line: int, column: int, cell: int | None = None) -> int:
        """Return the offset in `program` of a line and a column, both from 1 and in characters, of the file or a cell.

        Raises:
            ValueError: there is no such place.
        """
        base, content = 0, self.program
        if self.pieces:
            piece = next((one for one in self.pieces if one.index == cell), None)
            if piece is None:
                raise ValueError(f"no code cell {cell}")
            base, content = piece.start, piece.source
        lines = text.lines_of(content)
        if not 1 <= line <= len(lines):
            raise ValueError(f"no line {line}")
        return base + sum(map(len, lines[: line - 1])) + column - 1

    def bounds(self, offset: int) -> tuple[int, int]:
        """Return the part of the program that an edit at an offset may be in: a cell's own text, or all."""
        if not self.pieces:
            return 0, len(self.program)
        piece = self._piece(offset)
        return piece.start, piece.start + len(piece.source)

    def _piece(self, offset: int) -> _Piece:
        return self.pieces[max(0, bisect_right([one.start for one in self.pieces], offset) - 1)]

    def encoded(self, edits: Iterable[Edit]) -> bytes:
        """Return the file's bytes with edits of the program done.

        Raises:
            Unreadable: the file's encoding lacks a character of an edit.
            ValueError: edits overlap, or one reaches over the end of a cell.
        """
        if not self.pieces:
            return self.source.encode(apply(self.program, edits))
        return self.source.encode(apply(self.source.text, [self._in_file(edit) for edit in merged(edits)]))

    def _in_file(self, edit: Edit) -> Edit:
        """Return an edit of a cell as one of the notebook's JSON text: the new text comes escaped, and a line a string."""
        piece = self._piece(edit.start)
        first, last = edit.start - piece.start, edit.end - piece.start
        if last > len(piece.source):
            raise ValueError("an edit reaches over the end of a cell")
        raw = self.source.text
        starts = _letters(raw, piece.spans)
        # An empty edit at the end of a literal belongs behind its last letter.
        start = starts[first][0] if first < len(starts) else starts[-1][1]
        end = starts[last - 1][1] if last > first else start
        if last == first and first and raw[starts[first - 1][1]] == '"' and piece.source[first - 1] != "\n":
            start = end = starts[first - 1][1]
        escaped = json.dumps(edit.text, ensure_ascii=raw.isascii())[1:-1]
        return Edit(start, end, _as_lines(escaped, raw, piece.spans))


def _letters(raw: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where each character of a cell's source is written in the file."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        at = start + 1
        while at < end - 1:
            match = _LITERAL.match(raw, at)
            assert match is not None
            after = match.end()
            # A character beyond the basic plane may be written as two escapes.
            if re.match(r"\\u[dD][89abAB]", match.group()) and re.match(r"\\u[dD][c-fC-F]", raw[after : after + 4]):
                after += 6
            found.append((at, after))
            at = after
    return found


def _as_lines(escaped: str, raw: str, spans: Sequence[tuple[int, int]]) -> str:
    """Break a string with line ends into one string a line, the way that the cell itself is written."""
    if len(spans) < 2:
        return escaped
    between = raw[spans[0][1] : spans[1][0]]
    return f'"{between}"'.join(re.split(r"(?<=\\n)", escaped))


def read_document(root: Path, path: Path) -> Document:
    """Read a file of a project.

    Raises:
        Unreadable: it cannot be read and written back to the same bytes, or is no notebook of code in Python.
    """
    source = text.read(root / path)
    if path.suffix != ".ipynb":
        return Document(path, source, source.text)
    program, pieces = "", []
    for cell in notebook.code_cells(source.text):
        if not cell.spans:
            continue
        # A cell that is no program does not keep the others from being one.
        body = cell.python if parses(cell.python) else cell.blank
        pieces.append(_Piece(cell.index, len(program), body, cell.spans))
        program += body if body.endswith("\n") else body + "\n"
    return Document(path, source, program, tuple(pieces))
