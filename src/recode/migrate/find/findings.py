"""What a scan tells: one row for each use of an API that a release breaks or deprecates.

This is the seam between finding and rewriting: whoever rewrites reads findings and nothing else of the scan.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recode.records import ApiUpdate, Kind, Status

_SURROGATE = re.compile("[\ud800-\udfff]")


def readable(path: Path) -> str:
    """Return a path as text that can be written: a name that is not in UTF-8 has replacement characters in it."""
    return _SURROGATE.sub("\ufffd", path.as_posix())


@dataclass(frozen=True)
class Finding:
    """One use of an API that an update is about.

    Positions are those of the name (or of the keyword, where a parameter is meant): lines from 1, columns from 1 and in
    characters, the end exclusive. In a notebook they count within the cell's own source.
    """

    file: Path
    """Relative to the scanned root; the file's own name where the root is a file."""
    line: int
    column: int
    end_line: int
    end_column: int
    symbol: str
    """Full public name as the update has it, such as `numpy.in1d` or `numpy.histogram(normed)`."""
    kind: Kind
    status: Status
    since: str
    """The release that deprecates or breaks it, as far as it is known."""
    evidence: str
    """One quoted line with release and file."""
    confidence: float
    """From 0 to 1: how sure it is that this is a use of the symbol (how its receiver was resolved)."""
    advice: str
    """The update's note: what to do instead."""
    update: ApiUpdate
    """The record that the finding comes from."""
    guarded: bool = False
    """Whether it stands in a branch that tells releases apart, so that nothing has to be done."""
    cell: int | None = None
    """Index of the notebook's cell, from 0, over all its cells; None outside notebooks."""

    def row(self) -> dict[str, Any]:
        """Return the fields that `recode scan --json` prints."""
        return {
            "file": readable(self.file),
            "line": self.line,
            "column": self.column,
            "symbol": self.symbol,
            "kind": self.kind,
            "status": self.status,
            "since": self.since,
            "evidence": self.evidence,
            "confidence": round(self.confidence, 2),
            "advice": self.advice,
        }


@dataclass(frozen=True)
class Skipped:
    """A file that was not looked at, and why."""

    file: Path
    reason: str


@dataclass(frozen=True)
class ScanResult:
    """The findings in the order of file, cell and place; what was left out; and what was looked at."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...] = ()
    files: int = 0
    """Files read."""
    lines: int = 0
    """Lines of Python in them."""

    @property
    def breaks(self) -> bool:
        """Say whether anything breaks (and not only warns)."""
        return any(finding.status == "breaks" for finding in self.findings)
