"""Finding what is known of a library: shipped with the package, collected on this machine, or in a file of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from pydantic import ValidationError

from recode.errors import RecordError
from recode.knowledge.model import Knowledge, cache_folder, read_knowledge, shipped_folder
from recode.knowledge.versions import parse_release, release
from recode.records import ApiUpdate, first_fault, read_jsonl, read_records


@dataclass(frozen=True)
class Known:
    """What is known, where it comes from in words, and what a user should know of it."""

    knowledge: Knowledge
    origin: str
    remark: str = ""


def shipped_libraries() -> list[str]:
    """Return the libraries whose updates come with the package."""
    return sorted(file.name.removesuffix(".jsonl") for file in shipped_folder().glob("*.jsonl"))


def cached_file(library: str, old: str, new: str) -> Path:
    """Return where the updates between two releases are kept once they were collected."""
    return cache_folder() / f"{canonicalize_name(library)}-{old}-{new}.jsonl"


def known_updates(library: str, target: str, old: str | None = None) -> Known | None:
    """Return what is known of the way to a release; None where it has to be collected first.

    What comes with the package counts up to its newest release's major series; what was collected for just these two releases comes first.
    """
    name = str(canonicalize_name(library))
    if old is not None and cached_file(name, old, target).exists():
        return Known(read_knowledge(cached_file(name, old, target)), f"collected {old} → {target}")
    file = shipped_folder() / f"{name}.jsonl"
    if not file.exists():
        return None
    knowledge = read_knowledge(file)
    if not knowledge.updates:
        return None
    first = knowledge.updates[0]
    newest = parse_release(first.new_version, str(file))
    goal = parse_release(target, "--to")
    if goal.major > newest.major:
        return None
    remark = ""
    if goal > newest:
        remark = f"what changed after {library} {newest} is not known here; --collect looks for it"
    before = release(old) if old else None
    if before is not None and before < parse_release(first.old_version, str(file)):
        remark = f"what was gone before {library} {first.old_version} is not known here; --collect looks for it"
    return Known(knowledge, f"shipped {first.old_version} → {first.new_version}", remark)


def updates_of_file(file: Path) -> Known:
    """Return a file of updates, with the shape beside it; lines of `recode collect --out` will do.

    Raises:
        RecordError: it is no such file; names file, line and field.
    """
    rows = list(read_jsonl(file))
    if rows and "update" in rows[0][1]:
        return Known(Knowledge(tuple(_update(file, number, row.get("update")) for number, row in rows)), str(file))
    if rows and "old_code" in rows[0][1]:
        fields = set(ApiUpdate.model_fields)
        updates = (
            _update(file, number, {name: value for name, value in row.items() if name in fields})
            for number, row in rows
        )
        return Known(Knowledge(tuple(updates)), str(file))
    read_records(file, ApiUpdate)
    return Known(read_knowledge(file), str(file))


def _update(file: Path, number: int, value: object) -> ApiUpdate:
    """Return one line's update.

    Raises:
        RecordError: it is none; names file, line and field.
    """
    try:
        return ApiUpdate.model_validate(value)
    except ValidationError as error:
        raise RecordError(
            f"{file}:{number}: {first_fault(error)}; not a file of updates, `recode collect --out` writes one"
        ) from None
