"""Passes over a file: rewritings inside, beside and on top of each other, as one list of changes of the user's file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from packaging.version import Version

from recode.migrate.find.findings import Finding
from recode.migrate.passes import plan_in_passes
from recode.migrate.rewrite.changes import EvidenceLevel
from recode.migrate.rewrite.name_checks import ReleaseNames, UpgradeNames
from recode.migrate.rewrite.planning import FilePlan, plan_file
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rules.planning import ProjectRules, plan_by_rules
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.scanning import unreported_places
from recode.migrate.source.edits import apply
from recode.migrate.source.source_file import SourceFile
from tests.migrate.rules.rule_pairs import INDEX, rule


def planned(text: str, *rules: RewriteRule) -> FilePlan:
    project = ProjectRules(rules, INDEX, Version("1.26.4"), Version("2.4.6"))
    names = UpgradeNames(ReleaseNames(None), ReleaseNames(None))

    def once(source: SourceFile, findings: Sequence[Finding]) -> FilePlan:
        return plan_file(source, findings, names, by_rules=functools.partial(plan_by_rules, project))

    source = SourceFile.from_bytes(Path("a.py"), text.encode())
    findings = project.findings(source, EditableProgram(source.tree), [])
    return plan_in_passes(source, findings, once, functools.partial(unreported_places, rules=project))


def after(text: str, *rules: RewriteRule) -> str:
    plan = planned(text, *rules)
    return apply(text, [edit for change in plan.changes for edit in change.edits])


WRITES = rule("numpy.old($x)", "numpy.middle([$x])", old="numpy.old")
COMPLETES = rule("numpy.middle([$x])", "numpy.new($x, once=True)", old="numpy.middle")
GROWS = rule("numpy.grow($*x)", "numpy.grow($*x, 1)", old="numpy.grow")


def test_a_rule_completes_what_another_one_wrote() -> None:
    text = "import numpy as np\nkept = 1\nprint(np.old(kept), np.other)\n"
    plan = planned(text, WRITES, COMPLETES)
    (change,) = plan.changes
    assert apply(text, change.edits) == "import numpy as np\nkept = 1\nprint(np.new(kept, once=True), np.other)\n"
    # The finding is the user's, and the place that a rule wrote is none.
    assert [(one.line, one.column, one.symbol) for one in change.findings] == [(3, 10, "numpy.old")]
    assert change.evidence is EvidenceLevel.BY_RULE


def test_what_one_rewriting_moves_is_rewritten_where_it_went() -> None:
    text = "import numpy as np\nnp.pair(np.asfarray(a), b)\nnp.asfarray(c)\n"
    swap = rule("numpy.pair($x, $y)", "numpy.pair2($y, $x)", old="numpy.pair")
    inner = rule("numpy.asfarray($x)", "numpy.asarray($x, dtype=float)")
    expected = "import numpy as np\nnp.pair2(b, np.asarray(a, dtype=float))\nnp.asarray(c, dtype=float)\n"
    assert after(text, swap, inner) == expected
    assert not planned(text, swap, inner).left


def test_a_rule_is_not_applied_to_what_it_wrote() -> None:
    assert (
        after("import numpy as np\nnp.grow(np.grow(2))\n", GROWS) == "import numpy as np\nnp.grow(np.grow(2, 1), 1)\n"
    )


def test_one_pass_is_enough_where_nothing_waits() -> None:
    passes: list[str] = []

    def once(source: SourceFile, findings: Sequence[Finding]) -> FilePlan:
        passes.append(source.program)
        return FilePlan(source, EditableProgram(source.tree))

    source = SourceFile.from_bytes(Path("a.py"), b"x = 1\n")
    assert not plan_in_passes(source, [], once).changes
    assert passes == ["x = 1\n"]
