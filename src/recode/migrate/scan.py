"""`scan`: every use of an updated API in a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recode.migrate.findings import ScanResult
from recode.records import ApiUpdate


def scan(root: Path, updates: Sequence[ApiUpdate], *, workers: int | None = None) -> ScanResult:
    """Find the uses of what `updates` are about, in a folder or one file.

    Raises:
        RecodeError: the path does not exist.
    """
    raise NotImplementedError
