"""The note of an update at several levels, from the one written for the entry to none, and entries read at a level.

`tailored` is the note of the record. `bullet` and `section` are the library's own words, `api` what the two releases show of the
old and the new name, and `none` no note at all. A file of `UpdateNotes` beside the records holds the levels once for each update.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from packaging.version import InvalidVersion, Version
from pydantic import Field

from recode.records import Migration, Record, read_records

NoteLevel = Literal["tailored", "bullet", "section", "api", "none"]
LEVELS: tuple[NoteLevel, ...] = get_args(NoteLevel)

NOTES_FILE = "notes.jsonl"
"""The name of the file of `UpdateNotes` in a data folder."""

_NAMED_VERSION = re.compile(r"(?<![\w.])v?(\d+\.\d+(?:\.\d+)*)(?!\w)")


class Excerpt(Record):
    """Text of a release, with its place: the file within the release and the first line, counted from 1.

    `omitted` counts the items between the first and the last line that were left out, because they are about updates of a test
    split.
    """

    text: str = Field(min_length=1)
    package_version: str
    file: str
    line: int = Field(ge=1)
    omitted: int = 0


class UpdateNotes(Record):
    """What the releases themselves say of one update, by level; a level that cannot be had is None, or empty.

    `changed_in` is the release in which programs begin to break or warn, and `released` its date (`YYYY-MM-DD`); both are empty
    where they are not known.
    """

    family_id: str
    library: str
    changed_in: str = ""
    released: str = ""
    bullet: Excerpt | None = None
    section: Excerpt | None = None
    api: tuple[Excerpt, ...] = ()

    def text(self, level: NoteLevel) -> str:
        """Return the note at `bullet`, `section` or `api`; empty where it cannot be had."""
        if level == "api":
            return "\n\n".join(f"In version {one.package_version}:\n\n{one.text}" for one in self.api)
        excerpt = self.bullet if level == "bullet" else self.section if level == "section" else None
        return excerpt.text if excerpt else ""


def read_notes(folder: Path) -> Mapping[str, UpdateNotes]:
    """Return the notes of a data folder by family; empty where it has no such file.

    Raises:
        RecordError: a line is bad.
    """
    path = folder / NOTES_FILE
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else {}


@functools.lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Mapping[str, UpdateNotes]:
    return {notes.family_id: notes for notes in read_records(path, UpdateNotes)}


def at_level(entry: Migration, level: NoteLevel, notes: Mapping[str, UpdateNotes]) -> Migration | None:
    """Return the entry with its note at a level; None where the level cannot be had for it.

    A composed entry has the notes of all its updates, each once. Whether the note of an entry whose target release comes before
    the change says when it happens decides whether the entry has an answer, so a level that does not say is not to be had.
    """
    if level == "tailored":
        return entry
    if level == "none":
        return entry.model_copy(update={"update_info": ""})
    families = [part.family_id for part in entry.parts] or [entry.family_id]
    texts = [notes[family].text(level) if family in notes else "" for family in families]
    if not all(texts):
        return None
    text = "\n\n".join(dict.fromkeys(texts))
    if entry.unchanged_because == "earlier_release" and not names_change(text, entry):
        return None
    return entry.model_copy(update={"update_info": text})


def names_change(text: str, entry: Migration) -> bool:
    """Say whether a text names the release of an update's change, and only releases after the entry's own."""
    target = Version(entry.new_version)
    named = {Version(match) for match in _NAMED_VERSION.findall(text)}
    changes = {Version(one) for one in (entry.removed_in, entry.deprecated_in) if is_version(one)}
    return bool(named & changes) and all(one > target for one in named)


def is_version(text: str) -> bool:
    """Say whether a text is a version by PEP 440."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
