from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from recode.dataset.duplicates import near_duplicates
from recode.dataset.no_op import make_no_ops
from recode.dataset.splits import HELD_OUT, SHARES, assign, leaves
from recode.dataset.verify.rule import concerned
from recode.records import Migration, read_records

MakeEntry = Callable[..., Migration]


@pytest.fixture
def entries(make_entry: MakeEntry) -> list[Migration]:
    """Two libraries and a held-out one; 40 families each, some of which share a leaf with another family."""
    made = []
    for library in ("numpy", "pandas", "polars"):
        for family in range(40):
            shared = family % 10 == 0
            leaf = f"shared{family}" if shared else f"{library}_old{family}"
            made += [
                make_entry(
                    id=f"{library}-{family}-{number}",
                    family_id=f"{library}-{family}",
                    library=library,
                    old_symbol=f"{library}.{leaf}",
                    new_symbol=f"{library}.{library}_new{family}",
                    old_code=f"import {library} as p\nprint(p.{leaf}({number}))\n",
                    new_code=f"import {library} as p\nprint(p.{library}_new{family}({number}))\n",
                )
                for number in (1, 2, 3)
            ]
    return made


def test_held_out_libraries_are_whole(entries: Sequence[Migration]) -> None:
    splits = assign(entries)
    for entry in entries:
        assert (splits[entry.family_id] == "test_libraries") == (entry.library in HELD_OUT)


def test_families_that_share_a_leaf_stay_together(entries: Sequence[Migration]) -> None:
    # The shared leaves also occur in the held-out library, so the others may only be tested on.
    splits = assign(entries)
    shared = [entry for entry in entries if "shared" in entry.old_symbol and entry.library not in HELD_OUT]
    assert {splits[entry.family_id] for entry in shared} == {"test_updates"}
    inside = [entry for entry in entries if entry.library not in HELD_OUT]
    splits = assign(inside)
    for family in range(0, 40, 10):
        assert splits[f"numpy-{family}"] == splits[f"pandas-{family}"]


def test_pinned_families_are_trained_on_with_all_that_share_a_leaf(entries: Sequence[Migration]) -> None:
    inside = [entry for entry in entries if entry.library != "polars"]
    tested = next(name for name, split in sorted(assign(inside).items()) if split == "test_updates")
    splits = assign(inside, {tested, "numpy-10"})
    assert splits[tested] == splits["numpy-10"] == splits["pandas-10"] == "train"
    assert {"validation", "test_updates"} <= set(splits.values())


def test_no_leaf_is_in_two_splits(entries: Sequence[Migration]) -> None:
    splits = assign(entries)
    where: dict[str, set[str]] = {}
    for entry in entries:
        split = splits[entry.family_id].replace("test_libraries", "test_updates")
        for leaf in leaves(entry):
            where.setdefault(leaf, set()).add(split)
    assert all(len(found) == 1 for found in where.values())


def test_chains_of_shared_leaves_are_one_group(make_entry: MakeEntry) -> None:
    chain = [("a.one", "a.two"), ("b.two", "b.three"), ("b.f(three)", "b.f(four)"), ("c.four", "")]
    made = [
        make_entry(family_id=f"{library}-{i}", library=library, old_symbol=old, new_symbol=new)
        for i, (old, new) in enumerate(chain)
        for library in (old[0],)
    ]
    assert len(set(assign(made).values())) == 1


def test_shares_hold_in_every_library(entries: Sequence[Migration]) -> None:
    splits = assign(entries)
    for library in ("numpy", "pandas"):
        mine = [splits[f"{library}-{family}"] for family in range(40)]
        for split, share in SHARES.items():
            assert abs(mine.count(split) - share * 40) <= 1


def test_the_order_of_entries_does_not_matter(entries: Sequence[Migration]) -> None:
    assert assign(entries) == assign(entries[::-1])


def test_no_ops_are_of_another_family_and_do_not_mention_the_note(entries: Sequence[Migration]) -> None:
    by_code = {entry.new_code: entry for entry in entries}
    made = make_no_ops(entries, 60)
    assert len(made) == len({entry.id for entry in made}) == 60
    for entry in made:
        program = by_code[entry.new_code]
        assert entry.kind == "no_op"
        assert entry.old_code == entry.new_code
        assert program.library == entry.library
        assert program.family_id != entry.family_id
        assert not concerned(entry.old_symbol, entry.new_symbol, entry.new_code)
    assert [sum(entry.library == library for entry in made) for library in ("numpy", "pandas", "polars")] == [20] * 3
    assert len({entry.family_id for entry in made}) == 60, "notes take turns"
    assert make_no_ops(entries[::-1], 60) == made


def test_no_ops_end_when_programs_do(make_entry: MakeEntry) -> None:
    assert make_no_ops([make_entry()], 10) == []
    assert make_no_ops([], 10) == []


def test_entries_that_mention_each_others_symbols_make_no_no_ops(make_entry: MakeEntry) -> None:
    other = make_entry(
        id="toylib-total-1",
        family_id="toylib-total",
        old_symbol="toylib.surface(scale)",
        new_symbol="",
        new_code="import toylib\nprint(toylib.surface([1]), toylib.total([2]))\n",
    )
    assert make_no_ops([make_entry(), other], 10) == []


def test_near_duplicates_are_found_by_structure(make_entry: MakeEntry) -> None:
    first = make_entry()
    data = {"old_code": "import toylib\n\nlengths = [3, 1, 4]\nprint(toylib.area(lengths))  # m\n"}
    renamed = make_entry(id="b", **data, new_code=data["old_code"].replace("area", "surface"))
    other_api = make_entry(
        id="c",
        old_code=first.old_code.replace("area", "remove_everything"),
        new_code=first.new_code.replace("surface", "delete_it_all"),
    )
    assert near_duplicates([first, renamed, other_api]) == {"b": first.id}


def test_the_shipped_splits_share_no_name_between_training_and_test() -> None:
    found: dict[str, set[str]] = {}
    for split in ("train", "validation", "test_updates", "test_libraries"):
        entries = read_records(Path(__file__).parents[2] / "data" / f"{split}.jsonl", Migration)
        found[split] = {leaf for entry in entries for leaf in leaves(entry)}
    shared = found["train"] & (found["test_updates"] | found["test_libraries"])
    assert shared == set()
    assert not found["validation"] & (found["train"] | found["test_updates"])
