from __future__ import annotations

from recode.dataset.levels.bullets import FoundItem
from recode.dataset.levels.items import raw_items, tokens
from recode.dataset.levels.sections import LONGEST, SHORTEST, section

WORDS = " ".join(f"word{number}" for number in range(40))
NOTES = "Toylib 2.0\n==========\n\nChanges\n-------\n\n" + "".join(
    f"- ``name{number}`` changed. {WORDS}\n" for number in range(30)
)


def found(place: int) -> FoundItem:
    return FoundItem("2.0", raw_items("doc/2.0-notes.rst", NOTES), place)


def test_a_section_has_the_item_and_neighbours_of_its_release() -> None:
    excerpt = section("toylib-area", found(10), ())
    assert excerpt is not None
    assert SHORTEST <= tokens(excerpt.text) <= LONGEST
    assert excerpt.text.startswith("Toylib 2.0\nChanges")
    assert "``name10``" in excerpt.text
    assert excerpt.text.count("- ``name") > 1
    assert excerpt.text == section("toylib-area", found(10), ()).text  # type: ignore[union-attr]


def test_items_about_kept_apart_updates_are_left_out_and_counted() -> None:
    apart = {f"name{number}" for number in range(30) if number not in (10, 3, 4, 5, 16, 17, 18)}
    excerpt = section("toylib-area", found(10), apart)
    assert excerpt is not None
    assert not any(f"``{name}``" in excerpt.text for name in apart)
    assert excerpt.omitted > 0


def test_a_release_with_little_else_has_no_section() -> None:
    items = raw_items("doc/2.0-notes.rst", "Toylib 2.0\n==========\n\n- ``area`` changed.\n")
    assert section("toylib-area", FoundItem("2.0", items, 0), ()) is None
