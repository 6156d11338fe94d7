"""Two releases of a toy library → families, end to end: an index, environments, walks, sources, notes."""

from __future__ import annotations

import pytest

from recode.collect.collector import Collected, CollectRequest, collect, parse_requests
from recode.collect.join.families import UpdateFamily
from recode.errors import RecodeError
from tests.toy_releases import Index


@pytest.fixture(scope="module")
def collected(toy_releases: Index) -> Collected:
    return collect(CollectRequest("toymath", "1.0", "2.0"))


def family(collected: Collected, kind: str, old: str) -> UpdateFamily:
    return next(one for one in collected.families if (one.update.kind, one.update.old_symbol) == (kind, old))


@pytest.mark.parametrize(
    ("kind", "old", "new", "confidence"),
    [
        ("renamed", "toymath.mean", "toymath.average", "high"),
        ("replaced", "toymath.gone", "sorted", "high"),
        ("moved", "toymath.moved_away", "", None),
        ("renamed", "toymath.area", "toymath.surface_of", "medium"),
        ("renamed", "toymath.Square.scale", "toymath.Square.scaled_by", "medium"),
        ("removed", "toymath.Square.edge", "", "low"),
        ("removed", "toymath.legacy_sum", "", "low"),
        ("moved", "toymath.old", "", None),
        ("parameter_renamed", "toymath.total(scale)", "toymath.total(factor)", "medium"),
        ("parameter_removed", "toymath.checked(verbose)", "", "medium"),
        ("parameter_added", "toymath.checked", "toymath.checked(strict)", "low"),
        ("keyword_only", "toymath.scaled(factor, offset)", "toymath.scaled(factor, offset)", "low"),
        ("default_changed", "toymath.rounded(digits)", "toymath.rounded(digits)", "low"),
        ("return_changed", "toymath.checked", "toymath.checked", "low"),
        ("deprecated", "toymath.spread", "toymath.average", "medium"),
        ("deprecated", "toymath.strict(copy)", "", "medium"),
    ],
)
def test_every_kind_of_change_is_found(
    collected: Collected, kind: str, old: str, new: str, confidence: str | None
) -> None:
    if confidence is None:
        # Still reached by its old path, or a module that programs do not name: nothing changes for programs.
        assert not [one for one in collected.families if one.update.old_symbol == old]
        return
    found = family(collected, kind, old)
    assert (found.update.new_symbol, found.confidence) == (new, confidence)


def test_nothing_else_is_reported(collected: Collected) -> None:
    names = {one.update.old_symbol.path for one in collected.families}
    assert not names & {"toymath.LIMIT", "toymath.average", "toymath.Square", "toymath.Square.surface"}


def test_families_say_where_they_come_from(collected: Collected) -> None:
    update = family(collected, "renamed", "toymath.mean").update
    message = update.evidence[0]
    assert (message.source, message.package_version, message.file) == (
        "deprecation message",
        "1.1.1",
        "toymath/__init__.py",
    )
    assert message.quote == "toymath.mean is deprecated since 1.1, use toymath.average instead."
    assert update.evidence[-1].quote == "toymath.mean(values)"
    assert (update.deprecated_in, update.removed_in) == ("1.1", "2.0")
    note = family(collected, "parameter_removed", "toymath.checked(verbose)").update.evidence[0]
    assert (note.source, note.file, note.line) == ("release notes", "CHANGES.rst", 13)


def test_what_could_not_be_examined_is_reported(collected: Collected) -> None:
    assert any("toymath.extra" in remark for remark in collected.remarks)


def test_a_second_run_downloads_nothing(collected: Collected, toy_releases: Index) -> None:
    toy_releases.asked.clear()
    assert collect(CollectRequest("toymath", "1.0", "2.0")).families == collected.families
    assert toy_releases.asked == ["/toymath/json"]


def test_releases_have_to_be_named() -> None:
    with pytest.raises(RecodeError, match=r"numpy: which releases\? Write --from A --to B"):
        parse_requests(["numpy"], None, "2.0")
