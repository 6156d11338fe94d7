"""A second scan of one file, to see whether a rewriting got rid of the old API."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from recode.knowledge.model import Shape
from recode.migrate.find.findings import Finding
from recode.migrate.find.scan import scan
from recode.migrate.source.edits import Edit
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.text import Unreadable
from recode.records import ApiUpdate

_UNSCANNABLE = 1 << 30
"""The count for a file that the scan skips: more uses than any file has."""


class Rescan:
    """Scans single files for the symbols of given findings; counts of unedited files are kept."""

    def __init__(self, updates: Sequence[ApiUpdate], shapes: Sequence[Shape], old: str, new: str) -> None:
        """Take the updates and shapes of a library, and the releases that the project comes from and moves to."""
        self._updates, self._shapes, self._old, self._new = updates, shapes, old, new
        self._before: dict[tuple[Path, frozenset[str]], int] = {}

    def is_gone(self, source: SourceFile, edits: Sequence[Edit], findings: Sequence[Finding]) -> bool:
        """Return whether the edited file has fewer uses of the findings' symbols, by at least the number of findings."""
        try:
            content = source.encoded(edits)
        except (Unreadable, ValueError):
            return False
        symbols = frozenset(finding.symbol for finding in findings)
        key = source.path, symbols
        if key not in self._before:
            self._before[key] = self._count(source.path, source.original, symbols)
        return self._count(source.path, content, symbols) <= self._before[key] - len(findings)

    def _count(self, path: Path, content: bytes, symbols: frozenset[str]) -> int:
        updates = [update for update in self._updates if update.old_symbol in symbols]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / path.name
            file.write_bytes(content)
            result = scan(file, updates, self._shapes, to=self._new, from_=self._old, workers=1)
        return _UNSCANNABLE if result.skipped else len(result.findings)
