"""What becomes of findings whose rewriting only a run can confirm: none is lost."""

from __future__ import annotations

from pathlib import Path

from recode.migrate.find.findings import Finding, ScanResult
from recode.migrate.pipeline import _add_attempts
from recode.migrate.prove.rewrite_options import RewriteOption
from recode.migrate.result import MigrateOptions, MigrationResult, Upgrade
from recode.migrate.rewrite.changes import Change, EvidenceLevel, LeftAlone, Method, Reason
from recode.migrate.rewrite.planning import FilePlan
from recode.migrate.source.edits import Edit
from recode.migrate.source.source_file import SourceFile
from tests.migrate.migration_corpus import update

FILE = Path("a.py")
NOTE = update("renamed", "lib.one", "lib.uno")


def finding(line: int) -> Finding:
    return Finding(FILE, line, 1, line, 4, "lib.one", "renamed", "breaks", "2.0", "", 1.0, "", NOTE)


def change(at: int, *findings: Finding) -> Change:
    return Change(FILE, findings, (Edit(at, at + 1, "x"),), Method.SYNTAX_TREE, EvidenceLevel.UNPROVEN)


def after(attempt: Change, *choices: RewriteOption) -> tuple[list[RewriteOption], list[Finding]]:
    """The choices and the findings that stay as they are, after an attempt whose findings all wait."""
    result = MigrationResult(Path(), Upgrade("lib", "1.0", "2.0"), MigrateOptions(), ScanResult((), (), 1, 1))
    result.left = [LeftAlone(one, Reason.TYPES) for one in attempt.findings]
    plan = FilePlan(SourceFile.from_bytes(FILE, b"a = b\nc = d\n"), None, attempts=[attempt])
    options = list(choices)
    _add_attempts(result, plan, options)
    return options, [place.finding for place in result.left]


def test_an_attempt_alone_is_a_choice() -> None:
    attempt = change(0, finding(1))
    options, left = after(attempt)
    assert [one.changes for one in options] == [(attempt,)]
    assert left == []


def test_an_attempt_comes_before_another_rewriting_of_the_same_places() -> None:
    place = finding(1)
    attempt, other = change(0, place), change(4, place)
    options, left = after(attempt, RewriteOption((other,)))
    assert [one.changes for one in options] == [(attempt, other)]
    assert left == []


def test_an_attempt_that_shares_only_some_places_with_another_leaves_its_own_listed() -> None:
    first, second = finding(1), finding(2)
    other = RewriteOption((change(4, first),))
    options, left = after(change(0, first, second), other)
    assert options == [other]
    assert left == [first, second]
