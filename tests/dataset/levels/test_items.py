from __future__ import annotations

from recode.dataset.levels.items import raw_items, tokens, with_children

NOTES = """\
Toylib 2.0
==========

Removals
--------

The following were removed:

- ``area``, use
  ``surface``
  instead:

  - in tables
- ``mean``

Other
-----

A paragraph.
"""


def test_items_keep_their_lines_and_stop_before_headings() -> None:
    found = raw_items("doc/2.0-notes.rst", NOTES)
    texts = [item.text for item in found]
    assert "- ``mean``" in texts
    assert texts[-1] == "A paragraph."
    assert all("Other" not in text for text in texts)
    area = next(item for item in found if "area" in item.text)
    assert (area.line, area.version) == (9, "2.0")
    assert area.introduction == "The following were removed:"
    assert area.headings == ("Toylib 2.0", "Removals")


def test_an_entry_brings_those_inside_it() -> None:
    found = raw_items("doc/2.0-notes.rst", NOTES)
    place = next(place for place, item in enumerate(found) if "area" in item.text)
    first, last = with_children(place, found)
    assert [item.text.strip() for item in found[first + 1 : last]] == ["- in tables"]


def test_tokens_are_words_and_marks() -> None:
    assert tokens("Use `surface`, now.") == 7
