from __future__ import annotations

from collections.abc import Callable

from recode.dataset.levels.bullets import message, quoted_item, searched_item
from recode.records import Evidence, Migration

MakeEntry = Callable[..., Migration]
FILE = "doc/2.0-notes.rst"
NOTES = """\
Toylib 2.0
==========

Expired deprecations:

- ``toylib.area`` was removed. Use ``toylib.surface`` instead.
- The area of interest is shown in blue.
- ``toylib.Shape.fit`` takes no ``groups`` any longer: they were removed.
"""


def evidence(line: int, file: str = FILE, quote: str = "q") -> Evidence:
    return Evidence(source="release notes", package_version="2.0", file=file, line=line, quote=quote)


def test_the_item_at_a_quote_is_taken_whole_with_its_introduction(make_entry: MakeEntry) -> None:
    found = quoted_item(make_entry(), evidence(6), [(FILE, NOTES)])
    assert found is not None
    bullet = found.bullet()
    assert bullet is not None
    assert bullet.text == "Expired deprecations:\n\n- ``toylib.area`` was removed. Use ``toylib.surface`` instead."
    assert (bullet.line, bullet.package_version) == (6, "2.0")


def test_an_item_that_names_something_else_is_not_taken(make_entry: MakeEntry) -> None:
    other = make_entry(old_symbol="toylib.mean", new_symbol="toylib.average")
    assert quoted_item(other, evidence(6), [(FILE, NOTES)]) is None


def test_an_item_is_found_by_its_names(make_entry: MakeEntry) -> None:
    found = searched_item(make_entry(removed_in="2.0"), [(FILE, NOTES)], "2.0")
    assert found is not None
    assert found.item.line == 6


def test_a_parameter_is_found_only_with_its_callable_and_class(make_entry: MakeEntry) -> None:
    def search(symbol: str) -> bool:
        entry = make_entry(old_symbol=symbol, new_symbol="", kind="parameter_removed", removed_in="2.0")
        return searched_item(entry, [(FILE, NOTES)], "2.0") is not None

    assert search("toylib.Shape.fit(groups)")
    assert not search("toylib.Table.fit(groups)")
    assert not search("toylib.Shape.predict(groups)")


def test_a_message_is_read_whole_from_the_source(make_entry: MakeEntry) -> None:
    source = (
        "import warnings\n\ndef area(x):\n    warnings.warn('area is deprecated; '\n        'use surface instead', "
        "DeprecationWarning)\n\n@deprecated('mean')\ndef mean(x): ...\n"
    )
    found = message(make_entry(), evidence(4, "toylib/shapes.py", "area is deprecated; "), source)
    assert found is not None
    assert found.text == "area is deprecated; use surface instead"
    assert message(make_entry(old_symbol="toylib.mean", new_symbol=""), evidence(7, "toylib/shapes.py"), source) is None
