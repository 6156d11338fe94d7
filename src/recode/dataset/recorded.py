"""Records that were built before, as candidates to verify again: the same programs in the same locked environments."""

from __future__ import annotations

from pathlib import Path

from recode.dataset.sources import Candidate, Releases
from recode.errors import RecordError
from recode.records import ApiUpdate, Migration, read_records
from recode.sandbox.environments import locked_requirements


def read_recorded(path: Path, locks: Path) -> list[Candidate]:
    """Read a JSON Lines file of migrations; their environments are those of the locks.

    Raises:
        RecordError: the file cannot be read, a line is bad, or an entry cannot be run: it is made up, or lacks a library, release or symbol.
    """
    candidates = []
    for number, entry in enumerate(read_records(path, Migration), start=1):
        if entry.author == "generator":
            raise RecordError(
                f"{path}: entry {number} (`{entry.id}`) is made up; only entries of real libraries can be run"
            )
        if fault := update_fault(entry):
            raise RecordError(f"{path}: entry {number} (`{entry.id}`): {fault}")
        candidates.append(Candidate(entry, locked_releases(entry, locks), path))
    return candidates


def update_fault(update: ApiUpdate) -> str:
    """Return the first field of an update without which its programs cannot be run, and its fault; empty where there is none."""
    for field in ("library", "old_version", "new_version", "old_symbol"):
        if not getattr(update, field).strip():
            return f"field `{field}`: is empty"
    return ""


def locked_releases(update: ApiUpdate, locks: Path) -> Releases:
    """Return the releases of an update without faults; what their environments need besides is what the locks say."""
    return Releases(
        library=update.library,
        # A symbol begins with the name that programs import.
        import_name=update.old_symbol.package,
        old_version=update.old_version,
        new_version=update.new_version,
        old_requires=locked_requirements(locks, update.library, update.old_version),
        new_requires=locked_requirements(locks, update.library, update.new_version),
    )
