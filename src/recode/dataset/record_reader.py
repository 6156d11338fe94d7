"""Files of records, read as entries that are still to be verified: this project's own, and the published six fields.

A record of this project names everything its verification needs; its environments are those of the locks. A published record
(arXiv 2506.20495) names only the new release and was never run. Its kind and symbols are inferred from the difference of its
programs, and `recode.dataset.verify.old_release` looks for the old release.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from recode.dataset.program_difference import symbols_of
from recode.dataset.sources import SourceReleases, UnverifiedEntry
from recode.errors import RecordError
from recode.packages import exact_version, project_name
from recode.records import ApiUpdate, Migration, Record, first_fault, read_jsonl, read_records
from recode.sandbox.environments import locked_requirements
from recode.symbol import Symbol


def read_recorded(path: Path, locks: Path) -> list[UnverifiedEntry]:
    """Read a JSON Lines file of migrations; their environments are those of the locks.

    Raises:
        RecordError: the file cannot be read, a line is bad, or an entry cannot be run: it is made up, or lacks a library,
            release or symbol.
    """
    entries = []
    for number, entry in enumerate(read_records(path, Migration), start=1):
        if entry.author == "generator":
            raise RecordError(
                f"{path}: entry {number} (`{entry.id}`) is made up; only entries of real libraries can be run"
            )
        if fault := update_fault(entry):
            raise RecordError(f"{path}: entry {number} (`{entry.id}`): {fault}")
        entries.append(UnverifiedEntry(entry, locked_releases(entry, locks), path))
    return entries


def update_fault(update: ApiUpdate) -> str:
    """Return why programs about an update cannot be run: the first field they need that is empty. Empty if they can."""
    for field in ("library", "old_version", "new_version", "old_symbol"):
        if not getattr(update, field).strip():
            return f"field `{field}`: is empty"
    return ""


def locked_releases(update: ApiUpdate, locks: Path) -> SourceReleases:
    """Return the two releases of an update without faults, with the further requirements that their locks name.

    Raises:
        EnvironmentBuildError: a lock names something other than requirements.
    """
    return SourceReleases(
        library=update.library,
        # A symbol begins with the name that programs import.
        import_name=update.old_symbol.package,
        old_version=update.old_version,
        new_version=update.new_version,
        old_requires=locked_requirements(locks, update.library, update.old_version),
        new_requires=locked_requirements(locks, update.library, update.new_version),
    )


def _release(text: str) -> str:
    """Return the release of a text such as `==2.0`; empty where it names none."""
    version = text.strip().lstrip("=<>~! ")
    return exact_version(version) if version else ""


class PublishedRecord(Record):
    """One line of the published form."""

    dependency: Annotated[str, AfterValidator(project_name)]
    new_version: Annotated[str, AfterValidator(_release)]
    description: str = ""
    update_info: Annotated[str, Field(min_length=1)]
    old_code: Annotated[str, Field(min_length=1)]
    new_code: Annotated[str, Field(min_length=1)]


def is_published(path: Path) -> bool:
    """Say whether a JSON Lines file is of the published form, judging by its first record."""
    first = next(read_jsonl(path), None)
    return first is not None and "dependency" in first[1]


def read_published(path: Path) -> list[Migration]:
    """Read published records as unverified entries: without stdout, locks and an old release.

    Entries with the same note belong to one family.

    Raises:
        RecordError: the file cannot be read or a line is bad; names file, line and field.
    """
    entries: list[Migration] = []
    sizes: Counter[str] = Counter()
    for number, value in read_jsonl(path):
        try:
            record = PublishedRecord.model_validate(value)
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {first_fault(error)}") from None
        note = hashlib.sha256(f"{record.dependency}\n{record.update_info}".encode()).hexdigest()[:8]
        family = f"{record.dependency}-{note}"
        sizes[family] += 1
        entries.append(_published_entry(record, family, sizes[family]))
    return entries


def _published_entry(record: PublishedRecord, family: str, number: int) -> Migration:
    kind, old, new = symbols_of(record.old_code, record.new_code, record.update_info, record.dependency)
    return Migration(
        id=f"{family}-{number}",
        family_id=family,
        library=record.dependency,
        old_version="",
        new_version=record.new_version,
        kind=kind,
        old_symbol=Symbol(old),
        new_symbol=Symbol(new),
        description=record.description,
        update_info=record.update_info,
        old_code=record.old_code.strip("\n") + "\n",
        new_code=record.new_code.strip("\n") + "\n",
        author="unknown",
        author_means="imported from a file that does not say",
    )
