"""The evidence of an update with whole quotes that name its API: what names neither its old nor its new name is no evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recode.collect.texts.release_files import is_notes
from recode.dataset.levels.items import names
from recode.dataset.note_levels import UpdateNotes
from recode.records import Evidence, Migration, Source


def with_evidence(entry: Migration, notes: UpdateNotes | None) -> Migration:
    """Return the entry with the quotes that name its old or new API.

    A quote that is a part of the item or message found for the update is replaced by the whole of it; where no quote is left, that
    item or message is the quote. Without either, what its programs did in the two releases is the evidence.
    """
    words = entry.old_symbol.words | entry.new_symbol.words
    kept = [one for one in entry.evidence if any(names(one.quote, word) for word in words)]
    whole = notes.bullet if notes else None
    if whole is not None:
        source: Source = "release notes" if is_notes(whole.file) else "deprecation message"
        found = Evidence(
            source=source, package_version=whole.package_version, file=whole.file, line=whole.line, quote=whole.text
        )  # fmt: skip
        parts = [one for one in kept if one.file == whole.file and _flat(one.quote) in _flat(whole.text)]
        if parts or not kept:
            kept = [found, *(one for one in kept if one not in parts)]
    return entry.model_copy(update={"evidence": tuple(kept)})


def dated_right(entries: Sequence[Migration]) -> list[Migration]:
    """Return the entries without a release of removal where all programs of the family only warn."""
    outcomes: dict[str, set[str]] = {}
    for entry in entries:
        outcomes.setdefault(entry.family_id, set()).update(_outcome(entry))
    return [
        entry.model_copy(update={"removed_in": ""}) if outcomes[entry.family_id] == {"warns"} else entry
        for entry in entries
    ]


def _outcome(entry: Migration) -> Iterable[str]:
    return [entry.old_on_new.outcome] if entry.old_on_new else []


def _flat(text: str) -> str:
    return " ".join(text.split())
