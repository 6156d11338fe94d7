"""Two releases of a toy library → families, end to end: an index, environments, walks, sources, notes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recode.collect.collector import Asked, Collected, asked_of, collect, collect_and_print
from recode.collect.join.families import Finding
from recode.errors import RecodeError
from recode.records import read_records
from tests.toy_releases import Index


@pytest.fixture(scope="module")
def collected(toy_releases: Index) -> Collected:
    return collect(Asked("toymath", "1.0", "2.0"))


def family(collected: Collected, kind: str, old: str) -> Finding:
    return next(one for one in collected.findings if (one.update.kind, one.update.old_symbol) == (kind, old))


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
        # Still reached by its old path, or a module that nobody has to name: nothing happened to programs.
        assert not [one for one in collected.findings if one.update.old_symbol == old]
        return
    found = family(collected, kind, old)
    assert (found.update.new_symbol, found.confidence) == (new, confidence)


def test_nothing_else_is_told(collected: Collected) -> None:
    names = {one.update.old_symbol.path for one in collected.findings}
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


def test_what_could_not_be_looked_at_is_told(collected: Collected) -> None:
    assert any("toymath.extra" in remark for remark in collected.remarks)


def test_a_second_run_downloads_nothing(collected: Collected, toy_releases: Index) -> None:
    toy_releases.asked.clear()
    assert collect(Asked("toymath", "1.0", "2.0")).findings == collected.findings
    assert toy_releases.asked == ["/toymath/json"]


def test_one_library_does_not_stop_the_others(
    toy_releases: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    asked = asked_of(["toybroken:1.0..2.0", "toymath:1.0..2.0"], None, None)
    assert not collect_and_print(asked, None, out, as_json=True)
    printed = capsys.readouterr()
    assert printed.err.strip().startswith("toybroken: toybroken 1.0: cannot be imported")
    assert [one["library"] for one in json.loads(printed.out)] == ["toymath"]
    assert len(read_records(out, Finding)) == len(json.loads(printed.out)[0]["findings"])


def test_where_no_library_could_be_looked_at_the_file_is_kept(
    toy_releases: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.jsonl"
    out.write_text("{}\n")
    assert not collect_and_print(asked_of(["toybroken"], "1.0", "2.0"), None, out, as_json=False)
    assert out.read_text() == "{}\n"
    assert "found.jsonl: not written, what it holds is kept" in capsys.readouterr().err


def test_the_table_names_kind_old_and_new(
    toy_releases: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    assert collect_and_print(asked_of(["toymath"], "1.0", "2.0"), None, None, as_json=False)
    printed = capsys.readouterr().out
    assert "toymath 1.0 → 2.0" in printed
    assert any("parameter_renamed" in line and "toymath.total(factor)" in line for line in printed.splitlines())


def test_releases_have_to_be_named() -> None:
    with pytest.raises(RecodeError, match=r"numpy: which releases\? Write --from A --to B"):
        asked_of(["numpy"], None, "2.0")
