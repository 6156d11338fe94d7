from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from recode import api
from recode.migrate.find.findings import Finding, Witness
from recode.migrate.find.index import build_index
from recode.migrate.find.scan import scan
from recode.migrate.rewrite.calls.signatures import CallParameter, CallSignature
from recode.migrate.rewrite.changes import EvidenceLevel
from recode.migrate.rewrite.name_checks import ReleaseNames, UpgradeNames
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rules.planning import PlannedByRules, ProjectRules, plan_by_rules
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.scanning import with_rules
from recode.migrate.source.source_file import SourceFile
from tests.migrate.rules.rule_pairs import INDEX, rule

ASFARRAY = rule("numpy.asfarray($*items)", "numpy.asarray($*items, dtype=float)")
METHOD = rule("$x.old($x2)", "$x.new($x2)", receivers={"x": ("lib.A",)}, old="lib.A.old")


class FakeNames(ReleaseNames):
    """A release that lacks some names."""

    def __init__(self, missing: set[str] = frozenset(), signature: CallSignature | None = None) -> None:  # type: ignore[assignment]
        super().__init__(None)
        self.missing, self.known = missing, signature

    def has(self, path: str, parameter: str = "") -> str:  # type: ignore[override]
        return "no" if path in self.missing else "yes"

    def signature(self, path: str) -> CallSignature | None:
        return self.known


def project(*rules: RewriteRule) -> ProjectRules:
    return ProjectRules(rules, INDEX, Version("1.26.4"), Version("2.4.6"))


def planned(
    text: str, rules: ProjectRules, names: FakeNames | None = None, confidence: float = 0.95, at: str = ""
) -> PlannedByRules:
    source = SourceFile.from_bytes(Path("a.py"), text.encode())
    program = EditableProgram(source.tree)
    findings = rules.findings(source, program, [])
    if at:
        line = next(number for number, one in enumerate(text.splitlines(), start=1) if at in one)
        column = text.splitlines()[line - 1].index(at) + 1
        update = rules.rules[0].update
        findings = [
            Finding(
                file=Path("a.py"), line=line, column=column, end_line=line, end_column=column + len(at), symbol="x", kind="removed",
                status="breaks", since="2.0", evidence="", confidence=confidence, advice="", update=update,
            )
        ]  # fmt: skip
    return plan_by_rules(rules, source, program, findings, UpgradeNames(FakeNames(), names or FakeNames()))


def test_a_match_of_a_symbol_is_a_finding_and_a_change_with_its_proof() -> None:
    plan = planned("import numpy as np\nnp.asfarray(a)\n", project(ASFARRAY))
    (change,) = plan.changes
    assert change.evidence is EvidenceLevel.BY_RULE
    assert change.offered
    assert change.remark == "by a rule proven on 2 programs"
    assert change.findings[0].witnesses == (Witness.RULE,)
    assert (change.findings[0].line, change.findings[0].column) == (2, 4)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("import lib\nthing.old(1)\n", EvidenceLevel.UNPROVEN),
        ("import lib\nthing = lib.A()\nthing.old(1)\n", EvidenceLevel.BY_RULE),
        ("import lib\nthing = lib.B()\nthing.old(1)\n", None),
    ],
)
def test_a_method_is_rewritten_for_its_class_and_guessed_where_only_its_name_is_seen(
    text: str, level: EvidenceLevel | None
) -> None:
    plan = planned(text, project(METHOD), confidence=0.6, at="old")
    assert [change.evidence for change in plan.changes] == ([level] if level else [])


def test_a_method_of_an_unknown_object_is_no_finding_by_itself() -> None:
    assert planned("import lib\nthing.old(1)\n", project(METHOD)).changes == ()


def test_what_the_new_release_lacks_or_does_not_accept_is_refused() -> None:
    text = "import numpy as np\nnp.asfarray(a, b)\n"
    plan = planned(text, project(ASFARRAY), FakeNames({"numpy.asarray"}))
    assert plan.changes == ()
    assert plan.refused[0][1] == "the new release has no numpy.asarray"
    one = CallSignature(
        (CallParameter("a", "POSITIONAL_OR_KEYWORD"), CallParameter("dtype", "POSITIONAL_OR_KEYWORD", "None"))
    )
    plan = planned(text, project(ASFARRAY), FakeNames(signature=one))
    assert plan.changes == ()
    assert "does not accept these arguments" in plan.refused[0][1]


def test_a_branch_for_other_releases_is_left_alone(tmp_path: Path) -> None:
    text = "import numpy as np\nif np.__version__ < '2':\n    np.asfarray(a)\nnp.asfarray(b)\n"
    (tmp_path / "a.py").write_text(text)
    rules = replace(project(ASFARRAY), index=build_index([ASFARRAY.update], []))
    found = with_rules(scan(tmp_path, []), tmp_path, rules).findings
    assert [finding.line for finding in found] == [4]


def test_rules_are_a_witness_of_scan(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import jwt\njwt.decode(token, key, verify=False)\njwt.decode(token, key, algorithms=a)\n"
    )
    (tmp_path / "updates.jsonl").write_text("")
    found = api.scan(tmp_path, to="pyjwt==2.10.1", from_="1.7.1", updates=tmp_path / "updates.jsonl", fast=True)
    assert found.breaks
    assert {(one.symbol, one.line, one.witnesses) for one in found.findings} == {
        ("jwt.decode(verify=False)", 2, (Witness.RULE,))
    }
