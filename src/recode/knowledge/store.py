"""Finding the knowledge about a library: shipped with the package, collected on this machine, or in a file of the user."""

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
class StoredKnowledge:
    """Knowledge, its origin in words, and a remark for the user on what it does not cover.

    `missing` says why there is none, where it could not be collected; then `knowledge` is empty.
    """

    knowledge: Knowledge
    origin: str
    remark: str = ""
    missing: str = ""


def shipped_libraries() -> list[str]:
    """Return the libraries whose updates are shipped with the package."""
    return sorted(file.name.removesuffix(".jsonl") for file in shipped_folder().glob("*.jsonl"))


def cached_file(library: str, old: str, new: str) -> Path:
    """Return the file that stores the updates between two releases once they are collected."""
    return cache_folder() / f"{canonicalize_name(library)}-{old}-{new}.jsonl"


def find_knowledge(library: str, target: str, old: str | None = None) -> StoredKnowledge | None:
    """Return the knowledge for an upgrade to a release; None where it has to be collected first.

    What was collected for exactly these two releases comes first, and shipped knowledge adds what that does not say. Shipped knowledge is
    used up to the major series of its newest release.

    Args:
        library: the distribution's name.
        target: the release to upgrade to.
        old: the release in use; None: unknown.

    Raises:
        RecodeError: `target` is not a release.
        RecordError: a file has wrong content.
    """
    name = str(canonicalize_name(library))
    shipped = _shipped(library, name, target, old)
    if old is None or not cached_file(name, old, target).exists():
        return shipped
    collected = read_knowledge(cached_file(name, old, target))
    if shipped is None:
        return StoredKnowledge(collected, f"collected {old} → {target}")
    # A source never hides another: what was collected may be less than what was written and proven by programs.
    both = merged_knowledge(collected, shipped.knowledge)
    return StoredKnowledge(both, f"collected {old} → {target}, {shipped.origin}")


def merged_knowledge(first: Knowledge, second: Knowledge) -> Knowledge:
    """Return what two sources say of a library; where both are about one symbol, the first counts."""
    known = {update.old_symbol for update in first.updates}
    updates = (*first.updates, *(update for update in second.updates if update.old_symbol not in known))
    if first.shape is None or second.shape is None:
        return Knowledge(updates, first.shape or second.shape)
    one, other = first.shape, second.shape
    tables = ("aliases", "classes", "parameters", "positional", "keeps", "returns")
    merged = {name: getattr(other, name) | getattr(one, name) for name in tables}
    packages = tuple(dict.fromkeys((*one.packages, *other.packages)))
    return Knowledge(updates, one.model_copy(update={**merged, "packages": packages}))


def _shipped(library: str, name: str, target: str, old: str | None) -> StoredKnowledge | None:
    """Return what is shipped of a library; None where that does not reach the target."""
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
        remark = f"changes after {library} {newest} are not covered; use --collect to look for them"
    before = release(old) if old else None
    if before is not None and before < parse_release(first.old_version, str(file)):
        remark = f"removals before {library} {first.old_version} are not covered; use --collect to look for them"
    return StoredKnowledge(knowledge, f"shipped {first.old_version} → {first.new_version}", remark)


def read_updates(file: Path) -> StoredKnowledge:
    """Return the updates of a user's file, with the shape next to it.

    A line is an update, a family as `recode collect --out` writes it, or a migration of the data set.

    Raises:
        RecordError: a line is none of these; names file, line and field.
    """
    rows = list(read_jsonl(file))
    if rows and "update" in rows[0][1]:
        return StoredKnowledge(
            Knowledge(tuple(_update(file, number, row.get("update")) for number, row in rows)), str(file)
        )
    if rows and "old_code" in rows[0][1]:
        fields = set(ApiUpdate.model_fields)
        updates = (
            _update(file, number, {name: value for name, value in row.items() if name in fields})
            for number, row in rows
        )
        return StoredKnowledge(Knowledge(tuple(updates)), str(file))
    read_records(file, ApiUpdate)
    return StoredKnowledge(read_knowledge(file), str(file))


def _update(file: Path, number: int, value: object) -> ApiUpdate:
    """Return the update of one line.

    Raises:
        RecordError: it is not an update; names file, line and field.
    """
    try:
        return ApiUpdate.model_validate(value)
    except ValidationError as error:
        raise RecordError(
            f"{file}:{number}: {first_fault(error)}; not a file of updates, `recode collect --out` writes one"
        ) from None
