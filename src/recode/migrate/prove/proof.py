"""Proof by the user's tests: old code in the old release against new code in the new one, and what each test reached.

A place is proven if tests evaluate all of it, every test that does so ends as before, and at least one of them passes. If
several rewritings of a place were sampled, the next one is tried as long as that repairs more tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recode.migrate.prove.coverage import Coverage, OpenUse, RunTests, run_with
from recode.migrate.prove.rewrite_options import RewriteOption, give_up_conflicts
from recode.migrate.prove.test_runs import TestRun
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Reason
from recode.migrate.source.source_file import SourceFile

RUNS = 12
"""Largest number of runs of the tests with new code."""


@dataclass(frozen=True)
class Proof:
    """The runs of the tests.

    Attributes:
        base: the old code in the old release.
        before: the old code in the new release.
        after: the new code in the new release.
        runs: how many runs were made in the new release.
    """

    base: TestRun
    before: TestRun
    after: TestRun
    runs: int

    @property
    def repaired(self) -> int:
        """Number of tests that the new release changes with the old code, and not with the new code."""
        return len(self.before.differing(self.base) - self.after.differing(self.base))


def prove(
    sources: Mapping[Path, SourceFile],
    options: Sequence[RewriteOption],
    base: TestRun,
    run_tests: RunTests,
    open_uses: Sequence[OpenUse] = (),
    on_progress: Callable[[str], None] = lambda _: None,
    runs: int = RUNS,
) -> tuple[Proof, list[Change]]:
    """Choose among rewritings by running the tests; return the runs and the chosen changes with their evidence.

    Args:
        sources: the files.
        options: the rewritings of each place. They are modified: `chosen` says which one was kept.
        base: the run of the old code in the old release.
        run_tests: runs the tests in the new release.
        open_uses: old uses that stay as they are. A test that reaches one counts against no change.
        on_progress: called with a description of the current step.
        runs: the largest number of runs.
    """
    on_progress("running the tests with the old code in the new release")
    before = run_tests({}, {}, True)
    search = _Search(sources, options, base, run_tests, open_uses, on_progress)
    for option in options:
        search.try_others(option, runs)
    search.give_up_suspects()
    proof = Proof(base, before, search.best, search.runs)
    chosen = [option.change for option in options if option.change is not None]
    refuted = _refuted(chosen, search.coverage, proof)
    return proof, [_with_evidence(change, search.coverage, proof, refuted) for change in chosen]


class _Search:
    """Runs of the tests with new code, to find the rewritings with which the fewest tests end differently."""

    def __init__(
        self,
        sources: Mapping[Path, SourceFile],
        options: Sequence[RewriteOption],
        base: TestRun,
        run_tests: RunTests,
        open_uses: Sequence[OpenUse],
        on_progress: Callable[[str], None],
    ) -> None:
        self._documents, self._options, self._base, self._run_tests = sources, options, base, run_tests
        self._open_uses, self._on_progress = open_uses, on_progress
        on_progress("running the tests with the new code in the new release")
        self.best, self.coverage = self._run(open_uses)
        # This run and the one with the old code.
        self.runs = 2

    def try_others(self, option: RewriteOption, runs: int) -> None:
        """Replace a suspect rewriting by the next one, as long as there is one and runs are left."""
        while self.runs < runs and option.chosen is not None and option.chosen + 1 < len(option.changes):
            if not self._is_suspect(option):
                return
            self._on_progress(f"trying another rewriting in {option.changes[0].file}")
            state, following = self._state(), option.chosen + 1
            option.chosen = following
            if not self._improves(self._open_uses, len(self._differing()) - 1):
                self._restore(state)
                option.changes = tuple(change for number, change in enumerate(option.changes) if number != following)

    def give_up_suspects(self) -> None:
        """Give up suspect rewritings that only tests could support, unless more tests end differently without them."""
        suspects = [
            (option, change)
            for option in self._options
            if (change := option.change) is not None and not change.offered and self._is_suspect(option)
        ]
        if not suspects:
            return
        self._on_progress("running the tests without the rewritings that did not help")
        state = self._state()
        for option, _ in suspects:
            option.give_up(Reason.FAILING_TEST)
        uses = [(change.file, change.edits[0].start) for _, change in suspects]
        if not self._improves([*self._open_uses, *uses], len(self._differing())):
            self._restore(state)

    def _run(self, open_uses: Sequence[OpenUse]) -> tuple[TestRun, Coverage]:
        give_up_conflicts(self._options)
        changes = [option.change for option in self._options if option.change is not None]
        return run_with(self._documents, changes, self._run_tests, open_uses)

    def _improves(self, open_uses: Sequence[OpenUse], most: int) -> bool:
        """Run the tests with the rewritings chosen now; keep that run if at most so many tests end differently."""
        run, coverage = self._run(open_uses)
        self.runs += 1
        if len(run.differing(self._base)) > most:
            return False
        self.best, self.coverage = run, coverage
        return True

    def _differing(self) -> frozenset[str]:
        return self.best.differing(self._base)

    def _is_suspect(self, option: RewriteOption) -> bool:
        differing, change = self._differing(), option.change
        if not differing or change is None:
            return False
        return self.coverage.is_suspect(change, differing, self.best)

    def _state(self) -> list[tuple[int | None, Reason | None]]:
        return [(option.chosen, option.reason) for option in self._options]

    def _restore(self, state: Sequence[tuple[int | None, Reason | None]]) -> None:
        # A rewriting that was tried may have made others give way.
        for option, (chosen, reason) in zip(self._options, state, strict=True):
            option.chosen, option.reason = chosen, reason


def _refuted(changes: Sequence[Change], coverage: Coverage, proof: Proof) -> dict[Change, str]:
    """Return the changes that a test refutes, with the test.

    A test that ends differently refutes the changes that it reaches itself, or else those that ran while modules were
    imported, provided that they are all about one update and that the test reaches no old use that was left.
    """
    refuted: dict[Change, str] = {}
    for test in sorted(proof.after.differing(proof.base)):
        if any(test in tests or (not test and tests) for tests in coverage.open_uses):
            continue
        direct = [change for change in changes if any(test in tests for tests in coverage.by_change[change])]
        culprits = direct or [change for change in changes if any("" in tests for tests in coverage.by_change[change])]
        if len({finding.update.family_id for change in culprits for finding in change.findings}) == 1:
            refuted.update(dict.fromkeys(culprits, test))
    return refuted


def _with_evidence(change: Change, coverage: Coverage, proof: Proof, refuted: Mapping[Change, str]) -> Change:
    """Return a change with the evidence that the tests give for it."""
    if change in refuted:
        test = refuted[change] or "the command"
        remark = f"{test} reaches it and ends differently than before"
        return replace(change, evidence=EvidenceLevel.REFUTED, remark=remark)
    spans = coverage.of(change, proof.after)
    reached = [tests for tests in spans if tests]
    if not reached:
        return replace(change, remark=f"no test reaches it; {change.remark}".removesuffix("; "))
    tests = frozenset[str]().union(*reached)
    if differing := tests & proof.after.differing(proof.base):
        test = sorted(differing)[0] or "the command"
        remark = f"{test} reaches it and ends differently than before, perhaps because of another place"
        return replace(change, remark=remark)
    if len(reached) < len(spans):
        return replace(change, remark=f"tests reach {len(reached)} of its {len(spans)} places; {change.remark}")
    passing = tests & proof.after.passed & proof.base.passed
    if not passing:
        return replace(change, remark="no test that reaches it passes, before or after")
    remark = f"{_subject(passing)} it: the same result in both releases"
    return replace(change, evidence=EvidenceLevel.PROVEN, remark=remark)


def _subject(tests: frozenset[str]) -> str:
    """Return the subject and verb of a sentence about what reaches a change."""
    if tests == {""}:
        return "the command reaches"
    return f"{len(tests)} tests reach" if len(tests) > 1 else f"{min(tests)} reaches"
