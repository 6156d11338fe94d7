"""The code cells of a Jupyter notebook, and the position of their text in the file.

A notebook is JSON, and editing a cell must not change any other byte. So each cell's source comes with the spans of its
string literals in the file's text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from recode.migrate.source.text import Unreadable, lines_of
from recode.source import parses

_SPACE = re.compile(r"[ \t\r\n]*")
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun", "python", "python3", "pypy"})
_TOKEN = re.compile(
    r"#[^\r\n]*|(?P<long>\"{3}|'{3})|'(?:\\.|[^'\\\r\n])*'|\"(?:\\.|[^\"\\\r\n])*\"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<joined>\\\r?\n)"
)
_LINE_MAGIC = re.compile(r"^[ \t]*(?:[%!?]|[\w.]+\?{1,2}\s*$|\w+\s*=\s*[%!])", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A code cell: its index among all cells, its source, and the (start, end) of each of its string literals in the file."""

    index: int
    source: str
    spans: tuple[tuple[int, int], ...]

    @property
    def python(self) -> str:
        """The source with magics and shell lines replaced by as many characters, so that everything else keeps its place.

        A source that parses holds no magic: `%` and `?` at the beginning of a line may be Python's own.
        """
        magic = _CELL_MAGIC.match(self.source)
        if magic and magic.group(1) not in _PYTHON_MAGICS:
            return self.blank
        return self.source if parses(self.source) else "".join(_without_magics(lines_of(self.source)))

    @property
    def blank(self) -> str:
        """As many spaces as the source has characters, on as many lines."""
        return "".join(_replaced(line, "") for line in lines_of(self.source))


def code_cells(text: str) -> list[Cell]:
    """Return the code cells of a notebook in Python.

    Raises:
        Unreadable: the text is not a notebook, or one in another language.
    """
    try:
        value, spans = _Scanner(text).top()
    except (ValueError, IndexError, RecursionError):
        raise Unreadable("not valid JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("cells"), list):
        raise Unreadable("not a notebook of format 4")
    metadata = value.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = kernel.get("language", "python") if isinstance(kernel, dict) else "python"
    if language != "python":
        raise Unreadable(f"a notebook in {language}")
    found = []
    for index, cell in enumerate(value["cells"]):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            found.append(Cell(index, _source(cell.get("source", ""), index), tuple(spans.get(index, ()))))
    return found


def _source(source: object, index: int) -> str:
    lines = source if isinstance(source, list) else [source]
    texts = [line for line in lines if isinstance(line, str)]
    if len(texts) < len(lines):
        raise Unreadable(f"the source of cell {index} is not text")
    return "".join(texts)


def _without_magics(lines: list[str]) -> Iterator[str]:
    """Yield lines with a number in place of each magic, shell command or request for help.

    Only the beginning of a statement can be one, not a line within brackets or a string or after a backslash.
    """
    state = _State()
    is_first = True
    for line in lines:
        if state.is_inside or not _LINE_MAGIC.match(line):
            state.read(line)
            yield line
        else:
            # IPython removes the indentation of a first line that is a magic.
            indent = 0 if is_first else len(line) - len(line.lstrip())
            yield _replaced(line, " " * indent + "0")
        is_first = is_first and not line.strip()


def _replaced(line: str, by: str) -> str:
    """Return a text padded with spaces to a line's length, with the line's end."""
    body = line.rstrip("\r\n")
    return by.ljust(len(body)) + line[len(body) :]


class _State:
    """What is open after the lines read so far: brackets, a triple-quoted string, a continued line."""

    def __init__(self) -> None:
        self._depth = 0
        self._long = ""
        self._joined = False

    @property
    def is_inside(self) -> bool:
        return bool(self._depth or self._long or self._joined)

    def read(self, line: str) -> None:
        at = 0
        self._joined = False
        while at < len(line):
            if self._long:
                end = re.compile(rf"(?:\\.|[^\\])*?{self._long}", re.DOTALL).match(line, at)
                if end is None:
                    return
                self._long, at = "", end.end()
                continue
            token = _TOKEN.search(line, at)
            if token is None:
                return
            at = token.end()
            self._long = token["long"] or ""
            self._depth = max(0, self._depth + bool(token["open"]) - bool(token["close"]))
            self._joined = bool(token["joined"])


class _Scanner:
    """Parses JSON and records, for each cell, the spans of the string literals of its source."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.spans: dict[int, list[tuple[int, int]]] = {}
        self.trail: list[str | int] = []

    def top(self) -> tuple[Any, dict[int, list[tuple[int, int]]]]:
        value = self.value()
        self.skip()
        if self.at != len(self.text):
            raise ValueError("text after the value")
        return value, self.spans

    def skip(self) -> str:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def value(self) -> Any:
        first = self.skip()
        if first == "{":
            return self.mapping()
        if first == "[":
            return self.array()
        if first == '"':
            return self.string()
        value, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
        return value

    def string(self) -> str:
        start = self.at
        value, self.at = scanstring(self.text, self.at + 1, True)
        match self.trail:
            case ["cells", int(index), "source", *rest] if len(rest) <= 1:
                self.spans.setdefault(index, []).append((start, self.at))
        return str(value)

    def mapping(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while self.skip() != "}":
            if found:
                self.expect(",")
                self.skip()
            key = scanstring(self.text, self.at + 1, True)
            self.at = key[1]
            self.expect(":")
            self.trail.append(key[0])
            found[key[0]] = self.value()
            self.trail.pop()
        self.at += 1
        return found

    def array(self) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while self.skip() != "]":
            if found:
                self.expect(",")
            self.trail.append(len(found))
            found.append(self.value())
            self.trail.pop()
        self.at += 1
        return found

    def expect(self, letter: str) -> None:
        if self.skip() != letter:
            raise ValueError(f"{letter} expected at {self.at}")
        self.at += 1
