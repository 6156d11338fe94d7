"""What runs of tests say about changes. The runs here are tables; `test_migrate_command.py` makes real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from recode.migrate.find.findings import Finding
from recode.migrate.prove.outputs import normalised
from recode.migrate.prove.proof import prove
from recode.migrate.prove.rewrite_options import RewriteOption
from recode.migrate.prove.spans import Spot
from recode.migrate.prove.test_runs import RunFailure, TestRun, steady
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Method, Reason
from recode.migrate.source.edits import Edit
from recode.migrate.source.source_file import SourceFile
from tests.migrate.migration_corpus import update

FILE = Path("a.py")
TEXT = "import lib\n\ndef one():\n    return lib.one()\n\ndef two():\n    return lib.two()\n"
DOCUMENTS = {FILE: SourceFile.from_bytes(FILE, TEXT.encode())}


def change(old: str, new: str, method: Method = Method.SYNTAX_TREE) -> Change:
    note = update("renamed", f"lib.{old}", f"lib.{new}")
    at = TEXT.index(f"lib.{old}") + 4
    finding = Finding(FILE, 1, 1, 1, 1, note.old_symbol, "renamed", "breaks", "2.0", "", 1.0, "", note)
    evidence = EvidenceLevel.CHECKED_BY_NAME if method is Method.SYNTAX_TREE else EvidenceLevel.UNPROVEN
    return Change(FILE, (finding,), (Edit(at, at + len(old), new),), method, evidence)


class Lines(dict[tuple[Path, Spot], frozenset[str]]):
    """What tests reached, by line alone."""

    def get(self, key: tuple[Path, Spot], default: object = None) -> frozenset[str]:  # type: ignore[override]
        return super().get((key[0], (key[1][0], 0, 0, 0)), frozenset())


def trial(outcomes: Mapping[str, str], reached: Mapping[int, set[str]] | None = None) -> TestRun:
    spots = {(FILE, (line, 0, 0, 0)): frozenset(tests) for line, tests in (reached or {}).items()}
    return TestRun(0, outcomes, Lines(spots))


def test_a_place_is_proven_by_the_tests_that_reach_it_alone() -> None:
    base = trial({"t1": "passed", "t2": "passed", "t3": "failed"})
    after = trial({"t1": "passed", "t2": "failed", "t3": "failed"}, {4: {"t1", "t3"}, 7: {"t2"}})
    options = [RewriteOption((change("one", "uno"),)), RewriteOption((change("two", "due"),))]
    proof, judged = prove(DOCUMENTS, options, base, lambda files, watched, reviewed: after)
    assert [one.evidence for one in judged] == ["proven", "refuted"]
    assert proof.runs == 3


@pytest.mark.parametrize(("before", "evidence"), [("failed", "proven"), ("skipped", "checked by name")])
def test_a_test_that_skips_itself_again_proves_a_place_that_stopped_it(before: str, evidence: str) -> None:
    base = trial({"t1": "skipped"}, {4: {"t1"}})

    def run(files: Mapping[Path, bytes], watched: Mapping[Path, frozenset[Spot]], reviewed: bool) -> TestRun:
        return base if b"lib.uno" in files.get(FILE, b"") else trial({"t1": before}, {4: {"t1"}})

    _, judged = prove(DOCUMENTS, [RewriteOption((change("one", "uno"),))], base, run)
    assert [one.evidence for one in judged] == [evidence]


def test_what_no_test_reaches_keeps_its_evidence() -> None:
    base = trial({"t1": "passed"})
    options = [RewriteOption((change("one", "uno"),)), RewriteOption((change("two", "due", Method.MODEL),))]
    _, judged = prove(DOCUMENTS, options, base, lambda files, watched, reviewed: base)
    assert [one.evidence for one in judged] == ["checked by name", "unproven"]
    assert all("no test reaches it" in one.remark for one in judged)


def test_a_guessed_receiver_is_shown_by_a_test_that_reaches_a_part() -> None:
    note = update("replaced", "lib.one", "")
    finding = Finding(FILE, 1, 1, 1, 1, note.old_symbol, "replaced", "breaks", "2.0", "", 0.5, "", note)
    start = TEXT.index("lib.one")
    edits = (Edit(start, start + 7, "lib.uno"), Edit(TEXT.index("lib.two"), TEXT.index("lib.two") + 7, "lib.due"))
    for shown, evidence in ((EvidenceLevel.BY_RULE, "by a proven rule"), (None, "unproven")):
        one = Change(FILE, (finding,), edits, Method.SYNTAX_TREE, EvidenceLevel.UNPROVEN, "guessed", shown)
        base = trial({"t1": "passed"}, {4: {"t1"}})
        _, judged = prove(DOCUMENTS, [RewriteOption((one,))], base, lambda files, watched, reviewed, base=base: base)
        assert [(each.evidence, each.remark[:11]) for each in judged] == [(evidence, "tests reach")]


def test_a_test_that_fails_before_and_after_proves_nothing() -> None:
    base = trial({"t1": "failed"}, {4: {"t1"}})
    _, judged = prove(DOCUMENTS, [RewriteOption((change("one", "uno"),))], base, lambda files, watched, reviewed: base)
    assert judged[0].evidence == "checked by name"


def test_a_test_that_reaches_several_updates_refutes_none_of_them() -> None:
    base = trial({"t1": "passed"})
    after = trial({"t1": "failed"}, {4: {"t1"}, 7: {"t1"}})
    options = [RewriteOption((change("one", "uno"),)), RewriteOption((change("two", "due"),))]
    _, judged = prove(DOCUMENTS, options, base, lambda files, watched, reviewed: after)
    assert [one.evidence for one in judged] == ["checked by name", "checked by name"]
    assert "perhaps because of another place" in judged[0].remark


def test_a_place_left_alone_takes_the_blame() -> None:
    base = trial({"t1": "passed"})
    after = trial({"t1": "failed"}, {4: {"t1"}, 7: {"t1"}})
    _, judged = prove(
        DOCUMENTS, [RewriteOption((change("one", "uno"),))], base, lambda files, watched, reviewed: after,
        [(FILE, TEXT.index("lib.two"))],
    )  # fmt: skip
    assert judged[0].evidence == "checked by name"


def test_the_next_rewriting_is_tried_while_tests_come_back() -> None:
    base = trial({"t1": "passed"})
    option = RewriteOption(
        (
            change("one", "wrong", Method.MODEL),
            change("one", "right", Method.MODEL),
            change("one", "never", Method.MODEL),
        )
    )
    seen: list[bytes] = []

    def run(files: Mapping[Path, bytes], watched: Mapping[Path, frozenset[Spot]], reviewed: bool) -> TestRun:
        text = files.get(FILE, TEXT.encode())
        seen.append(text)
        assert not files or ({spot[0] for spot in watched[FILE]} == {4} and not reviewed)
        return trial({"t1": "passed" if b"lib.right" in text else "failed"}, {4: {"t1"}})

    proof, judged = prove(DOCUMENTS, [option], base, run)
    assert [one.evidence for one in judged] == ["proven"]
    assert judged[0].edits[0].text == "right"
    assert [b"wrong" in text for text in seen] == [False, True, False]
    assert proof.repaired == 1


@pytest.mark.parametrize("first_is_tried_first", [True, False])
def test_what_gave_way_to_a_rewriting_that_did_not_help_comes_back(first_is_tried_first: bool) -> None:
    start = TEXT.index("lib.one") + 4
    # This rewriting of the first place reaches over the second: one of the two has to give way.
    wide = replace(change("one", "uno", Method.MODEL), edits=(Edit(start, TEXT.index("two()\n") + 3, "uno"),))
    first, second = RewriteOption((change("one", "wrong", Method.MODEL), wide)), RewriteOption((change("two", "due"),))

    def run(files: Mapping[Path, bytes], watched: Mapping[Path, frozenset[Spot]], reviewed: bool) -> TestRun:
        return trial({"t1": "failed", "t2": "passed" if b"lib.due" in files.get(FILE, b"") else "failed"}, {4: {"t1"}})

    options = [first, second] if first_is_tried_first else [second, first]
    proof, judged = prove(DOCUMENTS, options, trial({"t1": "passed", "t2": "passed"}), run)
    assert [one.edits[0].text for one in judged] == ["due"]
    assert first.reason is Reason.FAILING_TEST
    assert (second.chosen, second.reason, proof.repaired) == (0, None, 1)


def test_commands_without_tests_are_compared_by_status_and_output() -> None:
    def run(outcome: str, output: str) -> TestRun:
        return TestRun(0, {"run.py": outcome}, outputs={"run.py": normalised(output)})

    assert run("passed", "1  2\n").differing(run("passed", "1\n2 \n")) == frozenset()
    assert run("passed", "1\n").differing(run("passed", "2\n")) == {"run.py"}
    assert run("failed", "").differing(run("passed", "")) == {"run.py"}
    assert trial({"t1": "passed"}).differing(trial({})) == {"t1"}


def test_a_place_at_the_very_end_of_a_file_takes_the_blame_too() -> None:
    text = TEXT.rstrip()
    sources = {FILE: SourceFile.from_bytes(FILE, text.encode())}
    base, after = trial({"t1": "passed"}), trial({"t1": "failed"}, {4: {"t1"}, 7: {"t1"}})
    _, judged = prove(
        sources,
        [RewriteOption((change("one", "uno"),))],
        base,
        lambda files, watched, reviewed: after,
        [(FILE, len(text))],
    )
    assert judged[0].evidence == "checked by name"


# --- commands that end with an error at a line of the project ---


def command(outcome: str, failed_line: int = 0, kind: str = "TypeError", reached: tuple[int, ...] = (4, 7)) -> TestRun:
    """A run of one command that reaches some lines and ends in an error on one of them, in the rewritten call."""
    spots = Lines({(FILE, (line, 0, 0, 0)): frozenset({"run"}) for line in reached})
    failures = (
        {"run": RunFailure(FILE, (failed_line, 11, failed_line, 1 << 20), kind, f"{kind}: no")} if failed_line else {}
    )
    return TestRun(0, {"run": outcome}, spots, outputs={"run": ""}, failures=failures)


def test_a_change_at_which_the_run_ends_is_taken_out_and_the_other_kept() -> None:
    first, second = RewriteOption((change("one", "uno"),)), RewriteOption((change("two", "due"),))

    def run(files: Mapping[Path, bytes], watched: Mapping[Path, frozenset[Spot]], reviewed: bool) -> TestRun:
        text = files.get(FILE, TEXT.encode())
        return command("passed") if b"lib.uno" in text and b"lib.due" not in text else command("failed", 7)

    proof, judged = prove(DOCUMENTS, [first, second], command("passed"), run)
    assert [(one.edits[0].text, one.evidence) for one in judged] == [("uno", "proven")]
    assert second.reason is Reason.FAILING_TEST
    assert proof.after.passed == {"run"}


def test_an_error_at_a_place_without_a_rewriting_takes_nothing_back() -> None:
    failing = command("failed", 7, "AttributeError", (4,))
    option = RewriteOption((change("one", "uno"),))
    _, judged = prove(DOCUMENTS, [option], command("passed"), lambda files, watched, reviewed: failing)
    assert [one.evidence for one in judged] == ["ran"]
    assert "a.py:7" in judged[0].remark


def test_the_change_to_blame_for_another_result_is_found_by_halves() -> None:
    names = ["a", "b", "c", "d", "e"]
    text = "import lib\n" + "".join(f"lib.{name}()\n" for name in names)
    sources = {FILE: SourceFile.from_bytes(FILE, text.encode())}
    options = []
    for name in names:
        note = update("renamed", f"lib.{name}", f"lib.{name}{name}")
        at = text.index(f"lib.{name}(") + 4
        finding = Finding(FILE, 1, 1, 1, 1, note.old_symbol, "renamed", "breaks", "2.0", "", 1.0, "", note)
        edit = Edit(at, at + 1, name * 2)
        options.append(
            RewriteOption((Change(FILE, (finding,), (edit,), Method.SYNTAX_TREE, EvidenceLevel.CHECKED_BY_NAME),))
        )

    def run(files: Mapping[Path, bytes], watched: Mapping[Path, frozenset[Spot]], reviewed: bool) -> TestRun:
        made = files.get(FILE, text.encode())
        good = b"lib.dd" not in made and all(f"lib.{name * 2}(".encode() in made for name in "abce")
        ended = command("passed", reached=(2, 3, 4, 5, 6))
        # Without a right rewriting the old name is missing; with the wrong one the output differs.
        return (
            ended if good else replace(ended, outputs={"run": "other"}) if b"lib.dd" in made else command("failed", 3)
        )

    proof, judged = prove(sources, options, command("passed", reached=(2, 3, 4, 5, 6)), run)
    assert [one.edits[0].text for one in judged] == ["aa", "bb", "cc", "ee"]
    assert {one.evidence for one in judged} == {EvidenceLevel.PROVEN}
    assert options[3].reason is Reason.FAILING_TEST
    assert proof.after.differing(proof.base) == frozenset()


def test_what_differs_between_two_runs_of_the_same_code_is_not_compared() -> None:
    def run(output: str, outcome: str = "passed") -> TestRun:
        return TestRun(0, {"run": outcome}, outputs={"run": normalised(output)})

    timed = steady(run("took 1.5 s\nsum 3"), run("took 1.7 s\nsum 3"))
    assert run("took 9 s\nsum 3").differing(timed) == frozenset()
    assert run("took 9 s\nmean 3").differing(timed) == {"run"}
    flaky = steady(run(""), run("", "failed"))
    assert run("", "failed").differing(flaky) == run("", "failed").failing(flaky) == frozenset()
