"""Records that were built before, as candidates to verify again: the same programs in the same locked environments."""

from __future__ import annotations

from pathlib import Path

from recode.collect.sources import Candidate, Releases
from recode.errors import RecordError
from recode.records import Migration, read_records
from recode.sandbox.environments import locked_requirements


def read_recorded(path: Path, locks: Path) -> list[Candidate]:
    """Read a JSON Lines file of migrations; their environments are those of the locks.

    Raises:
        RecordError: the file cannot be read, a line is bad, or an entry is made up: it has no library to run.
    """
    candidates = []
    for number, entry in enumerate(read_records(path, Migration), start=1):
        if entry.author == "generator":
            raise RecordError(
                f"{path}: entry {number} (`{entry.id}`) is made up; only entries of real libraries can be run"
            )
        releases = Releases(
            library=entry.library,
            # A symbol begins with the name that programs import.
            import_name=entry.old_symbol.partition("(")[0].partition(".")[0],
            old_version=entry.old_version,
            new_version=entry.new_version,
            old_requires=locked_requirements(locks, entry.library, entry.old_version),
            new_requires=locked_requirements(locks, entry.library, entry.new_version),
        )
        candidates.append(Candidate(entry, releases, path))
    return candidates
