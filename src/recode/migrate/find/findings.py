"""The result of a scan: a finding for each use of an API that a release breaks or deprecates.

Findings are the only thing that rewriting takes from finding.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recode.records import ApiUpdate, Kind, Status

_SURROGATE = re.compile("[\ud800-\udfff]")


def readable(path: Path) -> str:
    """Return a path as text that can be written, with replacement characters where a name is not UTF-8."""
    return _SURROGATE.sub("\ufffd", path.as_posix())


class Witness(enum.StrEnum):
    """What saw a breakage."""

    KNOWLEDGE = "knowledge"
    """What the library's releases say of themselves."""
    TYPES = "types"
    """A type checker that accepts the code in the old release and reports it in the new one."""
    RULE = "rule"
    """A rewriting rule whose pattern matches."""
    RUNS = "runs"
    """A command in which the code gives something else in the new release, raises or warns."""


@dataclass(frozen=True)
class Finding:
    """One use of an API that an update changes.

    The position is that of the name, or of the keyword where the update is about a parameter: lines and columns from 1,
    columns in characters, the end exclusive. In a notebook they count within the cell's own source.
    """

    file: Path
    """Relative to the scanned folder; if a file was scanned, its name."""
    line: int
    column: int
    end_line: int
    end_column: int
    symbol: str
    """The update's symbol, such as `numpy.in1d` or `numpy.histogram(normed)`."""
    kind: Kind
    status: Status
    since: str
    """The release that deprecates or breaks it; the update's newer release where the exact one is unknown."""
    evidence: str
    """A quoted line with its release and file."""
    confidence: float
    """From 0 to 1: whether this is a use of the symbol, by how its receiver was resolved."""
    advice: str
    """The update's note, which says what to do instead."""
    update: ApiUpdate
    """The record that the finding comes from."""
    guarded: bool = False
    """Whether it is in a branch for some releases only, so that no change is needed."""
    cell: int | None = None
    """Index of the cell among all cells of the notebook, from 0; None outside notebooks."""
    witnesses: tuple[Witness, ...] = (Witness.KNOWLEDGE,)
    """What saw it."""

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
            "witnesses": [str(witness) for witness in self.witnesses],
        }


@dataclass(frozen=True)
class Skipped:
    """A file, or a cell of one, that was not scanned, and why."""

    file: Path
    reason: str


@dataclass(frozen=True)
class Examined:
    """What a witness compared, or why it could not be asked, in words for the user."""

    witness: Witness
    available: bool
    detail: str


@dataclass(frozen=True)
class ScanResult:
    """Findings in the order of file, cell and position, with what was skipped and how much was scanned."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...] = ()
    files: int = 0
    """Files scanned."""
    lines: int = 0
    """Lines of Python in them."""
    examined: tuple[Examined, ...] = ()
    """Each witness that was wanted; of runs, each command."""
    unexplained: tuple[str, ...] = ()
    """Commands that end differently in the new release although no finding says why."""

    @property
    def breaks(self) -> bool:
        """Say whether anything breaks (and not only warns)."""
        return bool(self.unexplained) or any(finding.status == "breaks" for finding in self.findings)
