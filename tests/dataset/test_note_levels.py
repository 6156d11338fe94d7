from __future__ import annotations

from collections.abc import Callable

import pytest

from recode.dataset.note_levels import Excerpt, UpdateNotes, at_level, names_change
from recode.prompts import user_message
from recode.records import Migration, UpdatePart
from recode.symbol import Symbol

MakeEntry = Callable[..., Migration]


def excerpt(text: str, version: str = "2.0") -> Excerpt:
    return Excerpt(text=text, package_version=version, file="NEWS.rst", line=3)


NOTES = {
    "toylib-area": UpdateNotes(
        family_id="toylib-area",
        library="toylib",
        bullet=excerpt("* ``area`` was renamed."),
        section=excerpt("News\n\n* ``area`` was renamed.\n* More."),
        api=(excerpt("toylib.area(x)", "1.0"), excerpt("toylib.surface(x)")),
    ),
    "toylib-mean": UpdateNotes(family_id="toylib-mean", library="toylib", bullet=excerpt("* ``mean`` is gone.")),
}


def test_each_level_shows_its_text(make_entry: MakeEntry) -> None:
    entry = make_entry(family_id="toylib-area")
    shown = {level: at_level(entry, level, NOTES) for level in ("tailored", "bullet", "section", "api", "none")}
    texts = {level: one.update_info for level, one in shown.items() if one is not None}
    assert texts["tailored"] == entry.update_info
    assert texts["bullet"] == "* ``area`` was renamed."
    assert texts["section"].startswith("News")
    assert texts["api"] == "In version 1.0:\n\ntoylib.area(x)\n\nIn version 2.0:\n\ntoylib.surface(x)"
    assert texts["none"] == ""


def test_a_level_that_releases_do_not_give_is_absent(make_entry: MakeEntry) -> None:
    assert at_level(make_entry(family_id="toylib-mean"), "section", NOTES) is None
    assert at_level(make_entry(family_id="unknown"), "bullet", NOTES) is None


def test_a_composed_entry_has_the_notes_of_all_its_updates(make_entry: MakeEntry) -> None:
    parts = [
        UpdatePart(family_id=family, kind="renamed", old_symbol=Symbol("toylib.a"), new_symbol=Symbol("toylib.b"))
        for family in ("toylib-area", "toylib-mean")
    ]
    entry = make_entry(family_id="toylib-composed-1", parts=tuple(parts))
    noted = at_level(entry, "bullet", NOTES)
    assert noted is not None
    assert noted.update_info == "* ``area`` was renamed.\n\n* ``mean`` is gone."
    assert at_level(entry, "section", NOTES) is None, "one of its updates has no section"


def test_without_a_note_the_prompt_asks_for_code_that_works(make_entry: MakeEntry) -> None:
    entry = make_entry()
    without = at_level(entry, "none", {})
    assert without is not None
    message = user_message(without, entry.old_code)
    assert "<doc>" not in message
    assert "works with this version" in message
    assert "<doc>" in user_message(entry, entry.old_code)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("It was removed in Toylib 2.0.", True),
        ("It was removed.", False),
        ("Deprecated in 1.0, removed in 2.0.", False),
        ("The default is 5.5 now.", False),
    ],
)
def test_a_note_names_the_change_only_by_a_later_release(make_entry: MakeEntry, text: str, named: bool) -> None:
    assert names_change(text, make_entry(new_version="1.0", removed_in="2.0")) is named


def test_before_the_change_a_level_must_say_when_it_comes(make_entry: MakeEntry) -> None:
    early = make_entry(
        family_id="toylib-area", kind="no_op", unchanged_because="earlier_release", new_version="1.0", removed_in="2.0"
    )
    assert at_level(early, "bullet", NOTES) is None
