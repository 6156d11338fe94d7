"""`recode data levels`: the notes of every update at levels, taken from the releases, into one file beside the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from packaging.version import InvalidVersion, Version

from recode.dataset.levels.bullets import FoundItem, message, quoted_item, searched_item
from recode.dataset.levels.sections import section
from recode.dataset.levels.signatures import api_notes
from recode.dataset.levels.texts import ReleaseTexts
from recode.dataset.note_levels import NOTES_FILE, Excerpt, UpdateNotes
from recode.dataset.record_reader import locked_releases
from recode.dataset.splits import leaves
from recode.errors import RecodeError
from recode.records import ApiUpdate, Migration, read_records, write_records
from recode.sandbox.environments import ensure_environment, ensure_lock

TRAINED_ON = ("train", "validation")
TESTED_ON = ("test_updates", "test_libraries")
_SHORTEST_NAME = 3


def write_levels(data: Path, on_progress: Callable[[int, int], None] = lambda done, total: None) -> list[UpdateNotes]:
    """Write `notes.jsonl` of a data folder; return what it holds. What was downloaded is kept, so a killed run resumes.

    Raises:
        RecodeError: a file is bad, the package index cannot be reached, or an environment cannot be built.
    """
    tested: dict[str, ApiUpdate] = {}
    trained: dict[str, ApiUpdate] = {}
    for names, into in ((TRAINED_ON, trained), (TESTED_ON, tested)):
        for name in names:
            for entry in read_records(data / f"{name}.jsonl", Migration):
                into.setdefault(entry.family_id, entry)
    by_library: dict[str, list[ApiUpdate]] = defaultdict(list)
    for update in [*trained.values(), *tested.values()]:
        by_library[update.library].append(update)
    texts, notes = ReleaseTexts(), list[UpdateNotes]()
    for done, (library, updates) in enumerate(sorted(by_library.items())):
        on_progress(done, len(by_library))
        # What a test split asks for must not stand among the distractors of a training prompt.
        apart = {leaf for update in updates if update.family_id in tested for leaf in leaves(update)}
        apart = {leaf for leaf in apart if len(leaf) >= _SHORTEST_NAME}
        found = _of_library(library, updates, apart, set(tested), texts, data / "locks")
        paths = [one.old_symbol.path for one in updates if one.family_id in tested and not one.old_symbol.parameters]
        notes += [one if one.family_id in tested else without_names(one, paths) for one in found]
    notes.sort(key=lambda one: one.family_id)
    write_records(data / NOTES_FILE, notes)
    return notes


def _of_library(
    library: str, updates: Sequence[ApiUpdate], apart: Collection[str], tested: Collection[str], texts: ReleaseTexts,
    locks: Path,
) -> list[UpdateNotes]:  # fmt: skip
    releases = locked_releases(updates[0], locks)
    old, new = (
        ensure_environment(ensure_lock(locks, library, version, requires))
        for version, requires in (
            (releases.old_version, releases.old_requires), (releases.new_version, releases.new_requires),
        )
    )  # fmt: skip
    api = api_notes(updates, old, new)
    sources = _quoted_sources(library, updates, texts)
    notes = []
    for update in updates:
        found = _item(update, texts)
        bullet = found.bullet() if found else _message(update, sources)
        kept_apart = () if update.family_id in tested else apart
        changed = _changed_in(update)
        notes.append(
            UpdateNotes(
                family_id=update.family_id,
                library=library,
                changed_in=changed,
                released=texts.released(library, changed) if changed else "",
                bullet=bullet,
                section=section(update.family_id, found, kept_apart) if found else None,
                api=api.get(update.family_id, ()),
            )
        )
    return notes


def without_names(notes: UpdateNotes, paths: Sequence[str]) -> UpdateNotes:
    """Return the notes without a section that quotes one of the paths: the update's own item may name other APIs too."""
    text = notes.section.text if notes.section else ""
    return notes.model_copy(update={"section": None}) if any(f"`{path}`" in text for path in paths) else notes


def _changed_in(update: ApiUpdate) -> str:
    """Return the release in which old programs begin to break or, if they only warn, to warn."""
    for version in (update.removed_in, update.deprecated_in):
        try:
            if version and Version(update.old_version) < Version(version) <= Version(update.new_version):
                return version
        except InvalidVersion:
            continue
    return ""


def _item(update: ApiUpdate, texts: ReleaseTexts) -> FoundItem | None:
    """Return the item of the release notes about an update: at a place quoted for it, or found by its names."""
    for evidence in update.evidence:
        if evidence.source == "release notes":
            found = quoted_item(update, evidence, texts.notes(update.library, evidence.package_version))
            if found is not None:
                return found
    return searched_item(update, texts.notes(update.library, update.new_version), update.new_version)


def _quoted_sources(library: str, updates: Sequence[ApiUpdate], texts: ReleaseTexts) -> dict[tuple[str, str], str]:
    """Return the texts of the source files that evidence quotes, by version and file."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for update in updates:
        for evidence in update.evidence:
            if evidence.source in ("deprecation message", "docstring"):
                wanted[evidence.package_version].add(evidence.file)
    return {
        (version, file): text
        for version, files in wanted.items()
        for file, text in texts.sources(library, version, frozenset(files)).items()
    }


def _message(update: ApiUpdate, sources: dict[tuple[str, str], str]) -> Excerpt | None:
    for evidence in update.evidence:
        text = sources.get((evidence.package_version, evidence.file))
        if text is not None and (found := message(update, evidence, text)) is not None:
            return found
    return None


def absent(notes: Sequence[UpdateNotes]) -> dict[str, int]:
    """Return how many updates lack each level that releases give.

    Raises:
        RecodeError: there are no notes.
    """
    if not notes:
        raise RecodeError("there are no notes; run `recode data levels`")
    return {level: sum(not one.text(level) for one in notes) for level in ("bullet", "section", "api")}
