"""Reads the files of short programs in `programs/`: what each is called, its text, and the lines to be reported, with their symbols."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "programs"
_MARK = re.compile(r"  #!(!?) (.+)$")


@dataclass(frozen=True)
class Program:
    """A program without its marks; `expected` are (line, symbol), `beyond` the lines that are no part of ruff's rules."""

    name: str
    text: str
    expected: frozenset[tuple[int, str]]
    beyond: frozenset[int]


def read_programs(file: str) -> list[Program]:
    """Return the programs of a file."""
    found = []
    for part in (FOLDER / file).read_text(encoding="utf-8").split("=== ")[1:]:
        name, _, body = part.partition("\n")
        lines, expected, beyond = [], set(), set()
        for number, line in enumerate(body.splitlines(), start=1):
            match = _MARK.search(line)
            if match:
                expected.add((number, match.group(2)))
                if match.group(1):
                    beyond.add(number)
            lines.append(_MARK.sub("", line))
        found.append(Program(name, "\n".join(lines) + "\n", frozenset(expected), frozenset(beyond)))
    return found
