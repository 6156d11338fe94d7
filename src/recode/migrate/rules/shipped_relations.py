"""How old names relate to their successors, as it was found in releases that have both, and shipped: `data/rules/relations.json`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from recode.migrate.rewrite.name_checks import Relation, ReleaseNames
from recode.records import ApiUpdate, write_text
from recode.sandbox.environments import ensure_environment, ensure_lock, locked_requirements
from recode.shipped import shipped

FILE = Path("data") / "rules" / "relations.json"
SHOWN = (Relation.SAME, Relation.FORWARDS, Relation.CONVERTS)
"""The relations that are kept: the others show nothing."""


@functools.cache
def shipped_relations() -> Mapping[tuple[str, str], Relation]:
    """Return the relation of old and new paths, where a release that has both showed one."""
    file = shipped(FILE)
    if not file.is_file():
        return {}
    rows = json.loads(file.read_text(encoding="utf-8"))
    return {(row["old"], row["new"]): Relation(row["relation"]) for row in rows}


def renamed_paths(updates: Iterable[ApiUpdate]) -> list[tuple[str, str]]:
    """Return old and new path of the updates that name a successor."""
    pairs = set()
    for update in updates:
        old, new = update.old_symbol, update.new_symbol
        if old.path and new.path and old.path != new.path and not old.arguments and not new.arguments:
            pairs.add((old.path, new.path))
    return sorted(pairs)


def find_relations(updates: Iterable[ApiUpdate], locks: Path) -> list[dict[str, str]]:
    """Ask the two releases of a library's updates how old and new names relate; what the newer one shows counts more.

    Args:
        updates: of one library.
        locks: the folder of locks.

    Raises:
        EnvironmentBuildError: an environment cannot be built.
    """
    updates = list(updates)
    if not updates or not (pairs := renamed_paths(updates)):
        return []
    library, rows = updates[0].library, []
    for version in (updates[0].new_version, updates[0].old_version):
        if not (locks / f"{library}-{version}.txt").is_file():
            # Only releases with a lock are the same for everybody.
            continue
        requires = locked_requirements(locks, library, version)
        names = ReleaseNames(ensure_environment(ensure_lock(locks, library, version, requires)))
        names.prepare([("relation", old, new) for old, new in pairs])
        for old, new in list(pairs):
            if (relation := names.relation(old, new)) in SHOWN:
                rows.append(
                    {"library": library, "release": version, "old": old, "new": new, "relation": relation.value}
                )
                pairs.remove((old, new))
    return rows


def write_relations(data: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write the shipped relations."""
    ordered = sorted(rows, key=lambda row: (row["library"], row["old"], row["new"]))
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in ordered)
    write_text(data / "rules" / FILE.name, f"[\n{lines}\n]\n")
