"""Arguments by position become keywords where the new release asks for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.calls.signatures import CallParameter, CallSignature
from recode.migrate.rewrite.changes import EvidenceLevel
from recode.migrate.rewrite.name_checks import ReleaseNames, UpgradeNames
from recode.migrate.rewrite.planning import FilePlan, plan_file
from recode.migrate.source.edits import apply
from recode.migrate.source.source_file import SourceFile
from recode.records import ApiUpdate
from recode.symbol import Symbol

BOTH, KEYWORD = "POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY"


class Release(ReleaseNames):
    """A release with one signature."""

    def __init__(self, *parameters: CallParameter) -> None:
        super().__init__(None)
        self.known = CallSignature(parameters, takes_self=True) if parameters else None

    def signature(self, path: str) -> CallSignature | None:
        return self.known


SELF, LABELS = CallParameter("self", BOTH), CallParameter("labels", BOTH)
OLD = Release(SELF, LABELS, CallParameter("axis", BOTH, "0"), CallParameter("errors", BOTH, "'raise'"))
NEW = Release(SELF, LABELS, CallParameter("axis", KEYWORD, "0"), CallParameter("errors", KEYWORD, "'raise'"))


def planned(line: str, at: str, confidence: float = 0.9, new: ReleaseNames = NEW) -> tuple[FilePlan, str]:
    source = SourceFile.from_bytes(Path("a.py"), f"{line}\n".encode())
    update = ApiUpdate(
        family_id="family", library="lib", old_version="1", new_version="2", removed_in="2", kind="keyword_only",
        old_symbol=Symbol("lib.Frame.drop"), new_symbol=Symbol("lib.Frame.drop"), description="A change.", update_info="A change.",
    )  # fmt: skip
    column = line.index(at) + 1
    found = Finding(
        file=source.path, line=1, column=column, end_line=1, end_column=column + len(at), symbol="lib.Frame.drop",
        kind="keyword_only", status="breaks", since="2", evidence="", confidence=confidence, advice="", update=update,
    )  # fmt: skip
    plan = plan_file(source, [found], UpgradeNames(OLD, new))
    return plan, apply(source.program, [edit for change in plan.changes for edit in change.edits])


@pytest.mark.parametrize(
    ("line", "at", "expected"),
    [
        ("f.drop('a', 1)", "1", "f.drop('a', axis=1)\n"),
        ("f.drop('a', (1), errors='ignore')", "1", "f.drop('a', axis=(1), errors='ignore')\n"),
        ("f.drop('a', 1, 'ignore')", "1", "f.drop('a', axis=1, errors='ignore')\n"),
        ("f.drop('a', 1)", "drop", "f.drop('a', axis=1)\n"),
    ],
)
def test_each_argument_gets_the_name_of_its_position(line: str, at: str, expected: str) -> None:
    plan, text = planned(line, at)
    assert text == expected
    assert [change.evidence for change in plan.changes] == [EvidenceLevel.CHECKED_BY_NAME]
    assert not plan.open
    assert not plan.left


def test_a_guessed_receiver_needs_a_test() -> None:
    plan, _ = planned("f.drop('a', 1)", "1", confidence=0.5)
    assert [change.evidence for change in plan.changes] == [EvidenceLevel.UNPROVEN]


def test_what_the_signatures_do_not_show_is_left_alone() -> None:
    for line, new in (("f.drop(*a, 1)", NEW), ("f.drop('a', 1)", OLD), ("f.drop('a', 1)", Release())):
        plan, text = planned(line, "1", new=new)
        assert text == f"{line}\n"
        assert len(plan.open) + len(plan.left) == 1


def test_a_branch_for_other_releases_is_left_alone() -> None:
    plan, _ = planned("f.drop('a', 1)", "1")
    guarded = replace(plan.changes[0].findings[0], guarded=True)
    again = plan_file(plan.source, [guarded], UpgradeNames(OLD, NEW))
    assert not again.changes
