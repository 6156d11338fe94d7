"""`recode data no-ops`: entries that look as if they needed an edit and need none.

Their notes are about the very name that the code has, or about the API that it has migrated away from. Each is admitted by running.
"""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from recode.dataset.compose.guards import guarded
from recode.dataset.note_levels import UpdateNotes, names_change, read_notes
from recode.dataset.record_reader import locked_releases
from recode.dataset.sources import UnverifiedEntry
from recode.dataset.verify.entries import CheckedEntry, OnProgress, VerifyOptions, check_entries, environments_of
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.mentions import POSITIONAL_KINDS
from recode.records import Migration, UnchangedBecause, read_records, write_records
from recode.source import parse_quietly

FILES: Mapping[str, tuple[str, ...]] = {
    "no_op_hard_train": ("train",),
    "no_op_hard": ("test_updates", "test_libraries"),
}
"""The files of hard no-ops, and the splits that their notes and programs come from."""

MADE = "made of verified entries by `recode data no-ops`"
_SAME_NAME = 2
"""Entries with the same name on another object, for each update at most."""
_GUARDED = 1
"""Guarded programs of each update at most."""
_MIGRATED_EVERY = 4
"""One update in so many gets an entry that has been migrated already: such code is the easiest of the four."""


def write_hard_no_ops(
    data: Path, options: VerifyOptions, on_progress: OnProgress = lambda done, total: None
) -> dict[str, list[CheckedEntry]]:
    """Make hard no-ops of the splits of a data folder and write those that hold; return the verdicts by file.

    The same records give the same entries. Results of runs are kept, so a killed run resumes.

    Raises:
        RecordError: a file is bad.
        EnvironmentBuildError: an environment cannot be built.
        SandboxError: this machine gives no isolation.
    """
    run, notes = CachedRunner(fresh=options.fresh, trust=options.trust), read_notes(data)
    made = {
        name: make_hard_no_ops(
            [one for split in splits for one in read_records(data / f"{split}.jsonl", Migration)], notes
        )
        for name, splits in FILES.items()
    }
    unverified = {
        name: [UnverifiedEntry(one, locked_releases(one, options.locks), data) for one in entries]
        for name, entries in made.items()
    }
    environments = environments_of([one for entries in unverified.values() for one in entries], options.locks, run)
    total, before, checked = sum(map(len, made.values())), 0, {}
    for name, entries in unverified.items():
        jobs = [(one.entry, environments[one.releases]) for one in entries]
        done = before
        verdicts = check_entries(jobs, run, lambda count, _, done=done: on_progress(done + count, total))  # type: ignore[misc]
        before += len(entries)
        checked[name] = verdicts
        write_records(data / f"{name}.jsonl", (one.entry for one in verdicts if one.admission.holds))
    return checked


def make_hard_no_ops(entries: Sequence[Migration], notes: Mapping[str, UpdateNotes]) -> list[Migration]:
    """Return unverified entries of all four kinds, in an order drawn from their ids."""
    families: dict[str, list[Migration]] = defaultdict(list)
    libraries: dict[str, list[Migration]] = defaultdict(list)
    for entry in entries:
        families[entry.family_id].append(entry)
        libraries[entry.library].append(entry)
    made = [one for family in families.values() for one in _of_family(family, notes)]
    for library in libraries.values():
        made += _same_names(library, families)
    return sorted(made, key=lambda entry: _draw("order", entry.id))


def _of_family(family: Sequence[Migration], notes: Mapping[str, UpdateNotes]) -> Iterator[Migration]:
    own = notes.get(family[0].family_id)
    changed_in = own.changed_in if own else ""
    if _draw("migrated", family[0].family_id) % _MIGRATED_EVERY == 0:
        chosen = family[_draw("which", family[0].family_id) % len(family)]
        yield _no_op(chosen, chosen, chosen.new_code, "migrated")
    guards = 0
    for entry in family:
        code = guarded(entry, changed_in) if entry.old_on_new and entry.old_on_new.outcome == "raises" else None
        if code is not None and guards < _GUARDED:
            guards += 1
            yield _no_op(entry, entry, code, "guarded")
        early = entry.model_copy(update={"new_version": entry.old_version})
        if names_change(entry.update_info, early):
            yield _no_op(early, entry, entry.old_code, "earlier_release")


def _same_names(library: Sequence[Migration], families: Mapping[str, Sequence[Migration]]) -> Iterator[Migration]:
    """Yield migrated programs that have an update's old name on something else: with the old API itself they would raise."""
    identifiers = {entry.id: _identifiers(entry.new_code) for entry in library}
    for family in dict.fromkeys(entry.family_id for entry in library):
        note = families[family][0]
        gone = all(one.old_on_new is not None and one.old_on_new.outcome == "raises" for one in families[family])
        # A value or a position does not show in a name.
        if not gone or note.old_symbol.has_values or note.kind in POSITIONAL_KINDS:
            continue
        others = sorted(
            (one for one in library if one.family_id != family and note.old_symbol.leaves & identifiers[one.id]),
            key=lambda one: _draw("same name", f"{family} {one.id}"),
        )
        for program in others[:_SAME_NAME]:
            yield _no_op(note, program, program.new_code, "same_name")


def _identifiers(code: str) -> frozenset[str]:
    """Return the names, attributes and keywords of a program; its texts do not count."""
    found: set[str] = set()
    for node in ast.walk(parse_quietly(code)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)) | ast.arg(arg=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
    return frozenset(found)


def _no_op(note: Migration, program: Migration, code: str, because: UnchangedBecause) -> Migration:
    return note.model_copy(
        update={
            "id": f"{note.family_id}-{because.replace('_', '-')}-{program.id}",
            "kind": "no_op",
            "old_code": code,
            "new_code": code,
            "context": program.context,
            "stdout": None,
            "old_on_new": None,
            "unchanged_because": because,
            "author_means": "; ".join(filter(None, (program.author_means, MADE))),
        }
    )


def _draw(role: str, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"recode no_op 2 {role} {name}".encode()).digest()[:4], "big")
