from __future__ import annotations

from collections.abc import Callable

from recode.dataset.leaks import edits, leaks, separated
from recode.dataset.note_levels import NOTES_FILE, read_notes
from recode.records import Evidence, Migration, read_records
from recode.shipped import shipped

MakeEntry = Callable[..., Migration]


def entry_of(make_entry: MakeEntry, name: str, line: int = 1, new: str = "") -> Migration:
    return make_entry(
        id=f"toylib-{name}-1",
        family_id=f"toylib-{name}",
        old_symbol=f"toylib.{name}",
        new_symbol=f"toylib.{new or f'new_{name}'}",
        old_code=f"import toylib\nprint(toylib.{name}([1]))\n",
        new_code=f"import toylib\nprint(toylib.{new or f'new_{name}'}([1]))\n",
        evidence=(
            Evidence(
                source="release notes", package_version="2.0", file="NEWS", line=line, quote=f"{name} was removed"
            ),
        ),
    )


def test_an_edit_is_what_goes_and_what_comes(make_entry: MakeEntry) -> None:
    assert edits(entry_of(make_entry, "area")) == {("area", "new_area")}


def test_names_items_and_edits_shared_with_training_are_found(make_entry: MakeEntry) -> None:
    trained = [entry_of(make_entry, "area", 1), entry_of(make_entry, "mean", 2)]
    assert leaks(trained, [entry_of(make_entry, "width", 3)], {}) == []
    assert [one.shared for one in leaks(trained, [entry_of(make_entry, "width", 2)], {})] == ["note item"]
    again = entry_of(make_entry, "area", 9).model_copy(update={"family_id": "other"})
    assert {one.shared for one in leaks(trained, [again], {})} == {"name", "edit"}


def test_a_family_moves_to_training_and_never_back(make_entry: MakeEntry) -> None:
    entries = [entry_of(make_entry, "area", 1), entry_of(make_entry, "width", 1), entry_of(make_entry, "depth", 5)]
    splits, left_out = separated(
        entries, {"toylib-area": "train", "toylib-width": "test_updates", "toylib-depth": "test_updates"}, {}
    )
    assert splits == {"toylib-area": "train", "toylib-width": "train", "toylib-depth": "test_updates"}
    assert left_out == frozenset()


def test_nothing_of_the_shipped_test_splits_is_in_training() -> None:
    data = shipped("data")
    notes = read_notes(data)
    assert notes, f"{NOTES_FILE} is missing"

    def entries(*names: str) -> list[Migration]:
        return [entry for name in names for entry in read_records(data / f"{name}.jsonl", Migration)]

    trained = entries("train", "validation", "train_composed", "validation_composed")
    tested = entries("test_updates", "test_libraries", "test_updates_composed", "test_libraries_composed")
    assert leaks(trained, tested, notes) == []
    families = {family for entry in entries("no_op_train", "no_op_hard_train") for family in entry.families}
    assert not families & {family for entry in tested for family in entry.families}


def test_no_section_of_a_training_family_names_what_a_test_split_asks_for() -> None:
    data = shipped("data")
    notes = read_notes(data)
    tested = {
        (entry.library, entry.old_symbol.path): entry.family_id
        for name in ("test_updates", "test_libraries")
        for entry in read_records(data / f"{name}.jsonl", Migration)
        if not entry.old_symbol.parameters
    }
    for entry in read_records(data / "train.jsonl", Migration):
        own = notes[entry.family_id]
        text = own.section.text if own.section else ""
        named = [path for library, path in tested if library == entry.library and f"`{path}`" in text]
        assert named == [], entry.family_id
