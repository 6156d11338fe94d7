"""Entries whose note does not concern their code: the right answer is the code unchanged.

They combine notes and programs of one set of entries, so that nothing of a test split reaches training.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from recode.dataset.verify.rule import concerned
from recode.records import PAIRED, Migration


def make_no_ops(entries: Sequence[Migration], most: int) -> list[Migration]:
    """Return up to `most` entries, each with the note of one family and the new program of another of the same library.

    Libraries, and the notes within a library, take turns. No program is used twice.
    """
    turns = [_of_library(group) for group in _by_library(entries)]
    made: list[Migration] = []
    while turns and len(made) < most:
        for pool in list(turns):
            if not pool:
                turns.remove(pool)
            elif len(made) < most:
                made.append(pool.pop(0))
    return made


def _by_library(entries: Sequence[Migration]) -> list[list[Migration]]:
    libraries: dict[str, list[Migration]] = defaultdict(list)
    for entry in entries:
        libraries[entry.library].append(entry)
    return [libraries[library] for library in sorted(libraries)]


def _of_library(entries: Sequence[Migration]) -> list[Migration]:
    """Return at most one no-op entry per program, taking the notes in turn."""
    notes = {entry.family_id: entry for entry in sorted(entries, key=lambda entry: entry.id)}
    order = sorted(notes.values(), key=lambda entry: _hash("note", entry.family_id))
    free = sorted(entries, key=lambda entry: _hash("program", entry.id))
    made: list[Migration] = []
    progress = True
    while free and progress:
        progress = False
        for note in order:
            program = next((entry for entry in free if _unconcerned(note, entry)), None)
            if program is not None:
                free.remove(program)
                made.append(_combine(note, program))
                progress = True
    return made


def _unconcerned(note: Migration, program: Migration) -> bool:
    same = program.family_id == note.family_id or program.new_version != note.new_version
    return not same and not concerned(note.old_symbol, note.new_symbol, program.new_code)


def _combine(note: Migration, program: Migration) -> Migration:
    changed = {
        "id": f"{note.family_id}-no-op-{program.id}",
        "kind": "no_op",
        "old_code": program.new_code,
        "new_code": program.new_code,
        "context": program.context,
        "stdout": None,
        "old_on_new": None,
        "author": program.author,
        "author_means": "; ".join(filter(None, (program.author_means, PAIRED))),
    }
    return note.model_copy(update=changed)


def _hash(role: str, name: str) -> str:
    return hashlib.sha256(f"recode no_op 1 {role} {name}".encode()).hexdigest()
