from __future__ import annotations

from collections.abc import Callable

from recode.dataset.levels.evidence import dated_right, with_evidence
from recode.dataset.note_levels import Excerpt, UpdateNotes
from recode.records import Evidence, Migration, OldOnNew

MakeEntry = Callable[..., Migration]


def quote(text: str, file: str = "toylib/shapes.py") -> Evidence:
    return Evidence(source="deprecation message", package_version="1.5", file=file, line=3, quote=text)


NOTES = UpdateNotes(
    family_id="toylib-area",
    library="toylib",
    bullet=Excerpt(text="area is deprecated; use surface", package_version="1.5", file="toylib/shapes.py", line=3),
)


def test_quotes_that_do_not_name_the_api_go_and_parts_become_whole(make_entry: MakeEntry) -> None:
    entry = make_entry(evidence=(quote("is deprecated"), quote("area is deprecated;"), quote("See surface.", "NEWS")))
    kept = with_evidence(entry, NOTES).evidence
    assert [one.quote for one in kept] == ["area is deprecated; use surface", "See surface."]


def test_without_any_quote_the_runs_are_the_evidence(make_entry: MakeEntry) -> None:
    assert with_evidence(make_entry(evidence=(quote("Other things."),)), None).evidence == ()


def test_a_family_that_only_warns_was_not_removed(make_entry: MakeEntry) -> None:
    warns = OldOnNew(outcome="warns", line=2)
    one = make_entry(removed_in="2.0", old_on_new=warns)
    assert [entry.removed_in for entry in dated_right([one])] == [""]
    raises = make_entry(id="other", removed_in="2.0", old_on_new=OldOnNew(outcome="raises", line=2))
    assert [entry.removed_in for entry in dated_right([one, raises])] == ["2.0", "2.0"]
