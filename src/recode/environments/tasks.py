"""Entries of the data set as tasks: what a model is asked, with the releases and the gold program."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.dataset.note_levels import NoteLevel, at_level, read_notes
from recode.errors import RecordError
from recode.prompts import messages, request
from recode.records import Migration, Record, read_records
from recode.rewards import gradable, same_program
from recode.sandbox.environments import Lock, read_locks
from recode.shipped import shipped

LOCKS = "data/locks"


class MigrationTask(Record):
    """One entry of the data set whose answers can be run: its library's two releases are locked and its output is known."""

    entry: Migration

    @property
    def id(self) -> str:
        """The entry's id."""
        return self.entry.id

    @property
    def messages(self) -> list[dict[str, str]]:
        """The chat messages that ask for the migration; the assistant's turn begins with `recode.prompts.PREFILL`."""
        return messages(self.entry, self.entry.old_code)

    @property
    def request(self) -> str:
        """What is asked for, without the form of the answer."""
        return request(self.entry, self.entry.old_code).strip()

    @property
    def release(self) -> str:
        """The release that the program has to work with, such as `numpy 2.4.6`."""
        return f"{self.entry.library} {self.entry.new_version}"

    @property
    def is_no_op(self) -> bool:
        """Whether the right answer is the old program."""
        return same_program(self.entry.old_code, self.entry.new_code)

    @property
    def lock_digest(self) -> str:
        """The digest of the lock of the new release."""
        assert self.entry.locks is not None
        return self.entry.locks[1]

    @property
    def module(self) -> str:
        """The library's top module, which the sandbox imports once for many programs."""
        return self.entry.old_symbol.package


@dataclass(frozen=True)
class TaskSet:
    """The tasks of a file, in its order, and how many entries were left out because no answer to them can be run."""

    tasks: tuple[MigrationTask, ...]
    ungradable: int


def load_tasks(
    source: str | Path = "@train", *, limit: int | None = None, notes: NoteLevel = "tailored", locks: str | Path = LOCKS
) -> TaskSet:
    """Read the tasks of a split, such as `@train` or `@test_updates`, or of a file of entries.

    Args:
        source: the split or the file.
        limit: how many tasks to read at most.
        notes: the level of the notes; entries that have none at this level are left out.
        locks: the folder of locks of the releases.

    Raises:
        RecordError: there is no such split, a line is bad, or no entry can be a task.
    """
    path = shipped(source)
    known = locks_by_digest(shipped(locks))
    texts = read_notes(path.parent) or read_notes(shipped("data"))
    tasks: list[MigrationTask] = []
    left_out = 0
    for entry in read_records(path, Migration):
        if limit is not None and len(tasks) == limit:
            break
        noted = at_level(entry, notes, texts)
        if noted is None or not _is_gradable(noted, known):
            left_out += 1
        else:
            tasks.append(MigrationTask(entry=noted))
    if not tasks:
        raise RecordError(f"{path}: no entry has an output, locked releases in {locks} and a note at level `{notes}`")
    return TaskSet(tuple(tasks), left_out)


def _is_gradable(entry: Migration, locks: dict[str, Lock]) -> bool:
    runs = entry.stdout is not None and entry.locks is not None and entry.locks[1] in locks
    return runs and gradable(entry.new_code)


@functools.cache
def locks_by_digest(folder: Path) -> dict[str, Lock]:
    """Return the locks of a folder by their digests."""
    return {lock.digest: lock for lock in read_locks(folder)}


def by_id(tasks: Sequence[MigrationTask]) -> dict[str, MigrationTask]:
    """Return tasks by the ids of their entries."""
    return {task.id: task for task in tasks}
