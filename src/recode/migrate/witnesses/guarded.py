"""The lines of a file that run in some releases of a library only."""

from __future__ import annotations

from pathlib import Path

from recode.migrate.find.index import Index
from recode.migrate.find.statements import guarded_lines
from recode.migrate.source.source_file import read_source
from recode.migrate.source.text import Unreadable


def guarded_lines_of(folder: Path, index: Index, file: Path) -> frozenset[int]:
    """Return the lines of a file that run in some releases only; empty if the file cannot be read."""
    try:
        return guarded_lines(read_source(folder, file), index)
    except (Unreadable, SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
