"""Knowledge and types side by side, on two releases of the toy library."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import recode
from recode.cli.app import app
from recode.errors import RecodeError
from recode.migrate.find.findings import Finding, Witness
from recode.migrate.witnesses import together
from recode.migrate.witnesses.together import merged
from recode.migrate.witnesses.type_checker import Diagnostic, TypeCheckError
from recode.migrate.witnesses.types import described
from recode.records import ApiUpdate, Kind, write_records

PROGRAM = """\
import toylib

try:
    size = toylib.surface
except AttributeError:
    size = toylib.area


class Plot:
    def __init__(self):
        self.lib = toylib

    def scaled(self, sides):
        return self.lib.total(sides, scale=2)


print(toylib.area([1.0]), toylib.spread([1]))
"""
Scan = Callable[..., recode.migrate.find.findings.ScanResult]


@pytest.fixture
def project(tmp_path: Path, toy_index: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "plot.py").write_text(PROGRAM, encoding="utf-8")
    changes: list[tuple[Kind, str, str]] = [
        ("renamed", "toylib.area", "toylib.surface"),
        ("return_changed", "toylib.spread", ""),
    ]
    updates = [
        ApiUpdate(
            family_id=old, library="toylib", old_version="1.0", new_version="2.0", removed_in="2.0", kind=kind, old_symbol=old,
            new_symbol=new, description="A change.", update_info=f"`{old}` changed.",
        )
        for kind, old, new in changes
    ]  # fmt: skip
    write_records(tmp_path / "updates.jsonl", updates)
    return folder


def scanned(project: Path, **options: object) -> recode.migrate.find.findings.ScanResult:
    return recode.scan(
        project, to="toylib==2.0", from_="1.0", updates=project.parent / "updates.jsonl", confidence=0.2, **options
    )  # type: ignore[arg-type]


def test_each_finding_says_who_saw_it(project: Path) -> None:
    result = scanned(project)
    seen = {(finding.line, finding.symbol): finding.witnesses for finding in result.findings}
    assert seen[17, "toylib.area"] == (Witness.KNOWLEDGE, Witness.TYPES)
    # A keyword that no update speaks of, behind an attribute of `self`.
    assert seen[14, "total(scale)"] == (Witness.TYPES,)
    # Changed behaviour has no type.
    assert seen[17, "toylib.spread"] == (Witness.KNOWLEDGE,)
    assert [(examined.witness, examined.available) for examined in result.examined] == [
        (Witness.KNOWLEDGE, True),
        (Witness.TYPES, True),
    ]


def test_a_branch_for_one_release_is_left_alone(project: Path) -> None:
    confident = recode.scan(project, to="toylib==2.0", from_="1.0", updates=project.parent / "updates.jsonl")
    assert 6 not in {finding.line for finding in confident.findings}


def test_fast_compares_no_types(project: Path) -> None:
    result = scanned(project, fast=True)
    assert {finding.witnesses for finding in result.findings} == {(Witness.KNOWLEDGE,)}
    assert [examined.witness for examined in result.examined] == [Witness.KNOWLEDGE]


def test_a_witness_that_cannot_be_asked_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise TypeCheckError("ty failed")

    monkeypatch.setattr(together, "type_findings", failing)
    result = scanned(project)
    assert [(examined.available, examined.detail) for examined in result.examined][1] == (False, "ty failed")
    assert result.findings == scanned(project, fast=True).findings


def test_where_no_witness_can_be_asked_nothing_is_claimed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise TypeCheckError("ty failed")

    monkeypatch.setattr(together, "type_findings", failing)
    with pytest.raises(RecodeError, match=r"toylib 9.0: nothing could be compared"):
        recode.scan(project, to="toylib==9.0", from_="1.0")


def test_the_command_says_what_it_compared(project: Path) -> None:
    asked = [
        "scan",
        str(project),
        "--from",
        "1.0",
        "--to",
        "toylib==2.0",
        "--updates",
        str(project.parent / "updates.jsonl"),
    ]
    table = CliRunner().invoke(app, asked, env={"COLUMNS": "200"})
    assert table.exit_code == 1
    assert "knowledge, types" in table.stdout
    assert "types (ty " in table.stdout
    assert "1 files against toylib 1.0 and 2.0" in table.stdout
    rows = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert ["knowledge", "types"] in [row["witnesses"] for row in rows]


def test_migrate_lists_what_only_types_see(project: Path) -> None:
    result = recode.migrate_project(project, to="toylib==2.0", from_="1.0", updates=project.parent / "updates.jsonl")
    assert [left.finding.symbol for left in result.left if left.finding.witnesses == (Witness.TYPES,)] == [
        "total(scale)"
    ]
    assert not result.done


def finding(start: int, end: int, **changes: object) -> Finding:
    record = ApiUpdate(
        family_id="f", library="toy", old_version="1.0", new_version="2.0", kind="removed", old_symbol="toy.a",
        new_symbol="", description="", update_info="",
    )  # fmt: skip
    values = {
        "file": Path("a.py"), "line": 1, "column": start, "end_line": 1, "end_column": end, "symbol": "toy.a", "kind": "removed",
        "status": "deprecated", "since": "2.0", "evidence": "", "confidence": 0.6, "advice": "known", "update": record,
    }  # fmt: skip
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def test_merging_keeps_the_reason_and_takes_the_certainty() -> None:
    known = finding(4, 8)
    seen = finding(1, 8, status="breaks", confidence=0.95, witnesses=(Witness.TYPES,), advice="seen")
    [both] = merged([known], [seen])
    assert (both.advice, both.status, both.confidence) == ("known", "breaks", 0.95)
    assert both.witnesses == (Witness.KNOWLEDGE, Witness.TYPES)
    # Side by side they are two findings.
    assert len(merged([known], [replace(seen, column=8, end_column=12)])) == 2
    # A branch for one release only stays one.
    [guarded] = merged([replace(known, guarded=True)], [seen])
    assert (guarded.status, guarded.confidence) == ("deprecated", 0.6)


@pytest.mark.parametrize(
    ("rule", "message", "expected"),
    [
        ("missing-attribute", "Module `numpy` has no member `infty`", ("removed", "numpy.infty")),
        ("missing-attribute", "Object of type `Engine` has no attribute `execute`", ("removed", "Engine.execute")),
        ("missing-attribute", "Object of type `Cursor[Unknown]` has no attribute `count`", ("removed", "Cursor.count")),
        ("missing-attribute", "Unresolved attribute `api_base` on type `<module 'openai'>`.", ("removed", "openai.api_base")),
        ("missing-union-attribute", "Attribute `x` is not defined on `A` in union `A | B`", ("removed", "A.x")),
        ("missing-attribute", "Object of type `<super: <class 'Base'>, Self@f>` has no attribute `_v`", ("removed", "Base._v")),
        ("unknown-argument", "Argument `scale` does not match any known parameter of function `total`", ("parameter_removed", "total(scale)")),
        ("unknown-argument", "Argument `a` does not match any known parameter of `K.__init__`", ("parameter_removed", "K(a)")),
        ("unknown-argument", "Argument `msg` does not match any known parameter", ("parameter_removed", "")),
        ("deprecated", "The function `dict` is deprecated: use `model_dump`", ("deprecated", "dict")),
        ("no-matching-overload", "No overload of function `select` matches arguments", ("replaced", "select")),
        ("not-subscriptable", "Cannot subscript object of type `None` with no `__getitem__` method", ("replaced", "")),
    ],
)  # fmt: skip
def test_messages_name_what_happened(rule: str, message: str, expected: tuple[str, str]) -> None:
    assert described(Diagnostic(Path("a.py"), 1, 1, 1, 2, rule, message)) == expected
