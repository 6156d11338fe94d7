"""Proof by running: old code in the old release against new code in the new one, and what each test or command reached.

A place is proven if tests evaluate all of it, every test that does so ends as before, and at least one of them passes. A run that
ends with an error at a rewriting takes that one back, and no other; where a run only ends differently, the rewriting to blame is
found by taking out half of those that the run reaches, and half of that half.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recode.migrate.prove.blame import ABOUT_NAMES, RewrittenTree
from recode.migrate.prove.coverage import Coverage, OpenUse, RunTests, run_with
from recode.migrate.prove.outputs import changed_lines
from recode.migrate.prove.rewrite_options import RewriteOption, give_up_conflicts
from recode.migrate.prove.test_runs import SKIPPED, TestRun
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Reason
from recode.migrate.source.source_file import SourceFile

RUNS = 12
"""Largest number of runs of the tests with new code."""
_QUICK, _QUICK_RUNS = 10.0, 40
"""Seconds of a run below which more of them are made, and how many."""
_SHOWN = 200
"""Characters of a line of output that are quoted."""
_PROVEN_BY_NAME = frozenset(
    {EvidenceLevel.PROVEN, EvidenceLevel.SAME_OBJECT, EvidenceLevel.FORWARDS, EvidenceLevel.EQUAL}
)


@dataclass(frozen=True)
class Proof:
    """The runs of the tests.

    Attributes:
        base: the old code in the old release.
        before: the old code in the new release.
        after: the new code in the new release.
        runs: how many runs were made in the new release.
        coverage: what the tests reached in the last of them.
        changes: the changes that were made in the last of them, with their evidence.
    """

    base: TestRun
    before: TestRun
    after: TestRun
    runs: int
    coverage: Coverage
    changes: tuple[Change, ...] = ()

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
    if not options:
        on_progress("running the old code in the new release")
        after, coverage = run_with(sources, [], run_tests, open_uses)
        return Proof(base, after, after, 1, coverage), []
    on_progress("running the old code in the new release")
    before = run_tests({}, {}, True)
    search = _Search(sources, options, base, run_tests, open_uses, on_progress, runs)
    search.replace_blamed()
    for option in options:
        search.try_others(option)
    search.replace_blamed()
    search.bisect()
    search.give_up_suspects()
    search.blame_suspects()
    proof = Proof(base, before, search.best, search.runs, search.coverage)
    chosen = [option.change for option in options if option.change is not None]
    judge = _Judge(sources, chosen, proof, search.needed)
    judged = [judge.with_evidence(change) for change in chosen]
    return replace(proof, changes=tuple(judged)), judged


class _Search:
    """Runs with new code, to find the rewritings with which the fewest tests end differently."""

    def __init__(
        self,
        sources: Mapping[Path, SourceFile],
        options: Sequence[RewriteOption],
        base: TestRun,
        run_tests: RunTests,
        open_uses: Sequence[OpenUse],
        on_progress: Callable[[str], None],
        most_runs: int,
    ) -> None:
        self._documents, self._options, self._base, self._run_tests = sources, options, base, run_tests
        self._open_uses, self._on_progress, self._most_runs = open_uses, on_progress, most_runs
        self.needed: set[Change] = set()
        """Rewritings without which a run ends at the place itself."""
        self._cleared: set[Change] = set()
        on_progress("running the new code in the new release")
        self.best, self.coverage = self._run(open_uses)
        # This run and the one with the old code.
        self.runs = 2

    def replace_blamed(self) -> None:
        """Replace rewritings at which a run ends by the next ones, or take them out."""
        while (blamed := self._blamed()) is not None and self._may_run():
            option, test = blamed
            change = option.change
            assert change is not None
            self._on_progress(f"trying without the rewriting at which {test} ends, in {change.file}")
            if not self._is_replaced(option, test):
                self._cleared.add(change)

    def _is_replaced(self, option: RewriteOption, test: str) -> bool:
        change, state = option.change, self._state()
        assert change is not None
        assert option.chosen is not None
        option.blame(self._said(test))
        for following in range(option.chosen + 1, len(option.changes)):
            if not self._may_run():
                return False
            option.chosen = following
            if self._improves(self._open_uses, len(self._differing())):
                failure = self.best.failures.get(test)
                if failure is None or not self._tree().failed_at(failure, option.changes[following]):
                    return True
            else:
                self._restore(state)
        self._restore(state)
        failure = self.best.failures.get(test)
        # Where the old name was the new one in some release, an error there comes from somewhere else.
        by_name = failure is not None and failure.kind in ABOUT_NAMES and change.evidence not in _PROVEN_BY_NAME
        option.give_up(Reason.FAILING_TEST)
        if self._improves(
            [*self._open_uses, (change.file, change.edits[0].start)], len(self._differing()) - (not by_name)
        ):
            return True
        self._restore(state)
        return False

    def _blamed(self) -> tuple[RewriteOption, str] | None:
        """Return a rewriting at which a test ends that ended otherwise before, with the test."""
        tree = self._tree()
        for test in sorted(self._differing()):
            failure = self.best.failures.get(test)
            for option in self._options if failure is not None else ():
                change = option.change
                if change is not None and change not in self._cleared and failure and tree.failed_at(failure, change):
                    return option, test
        return None

    def try_others(self, option: RewriteOption) -> None:
        """Replace a suspect rewriting by the next one, as long as there is one and runs are left."""
        while self._may_run() and option.chosen is not None and option.chosen + 1 < len(option.changes):
            if not self._is_suspect(option):
                return
            self._on_progress(f"trying another rewriting in {option.changes[0].file}")
            self._blame(option)
            state, following = self._state(), option.chosen + 1
            option.chosen = following
            if not self._improves(self._open_uses, len(self._differing()) - 1):
                self._restore(state)
                option.changes = tuple(change for number, change in enumerate(option.changes) if number != following)

    def bisect(self) -> None:
        """Take out the rewritings without which more tests end as before; found by halves."""
        differing = self._unexplained()
        suspects = [
            option
            for option in self._options
            if option.change is not None and self.coverage.is_suspect(option.change, differing, self.best)
        ]
        # A place that stays as it is explains the failure as well as any rewriting does.
        if differing and suspects and not any(tests & differing for tests in self.coverage.open_uses):
            self._on_progress(f"looking for the rewriting to blame among {len(suspects)}")
            self._take_out(suspects)

    def _take_out(self, group: Sequence[RewriteOption]) -> bool:
        if not group or not self._may_run():
            return False
        state, most = self._state(), len(self._differing()) - 1
        for option in group:
            self._blame(option)
            option.give_up(Reason.FAILING_TEST)
        if self._improves(self._open_uses, most):
            self._put_back(group)
            return True
        self._restore(state)
        half = len(group) // 2
        return half > 0 and (self._take_out(group[:half]) or self._take_out(group[half:]))

    def _put_back(self, group: Sequence[RewriteOption]) -> None:
        """Put back as many of the rewritings that were taken out as is possible without a further failure."""
        if len(group) < 2:
            return
        for half in (group[: len(group) // 2], group[len(group) // 2 :]):
            state = self._state()
            for option in half:
                option.chosen, option.reason = 0, None
            if not (self._may_run() and self._improves(self._open_uses, len(self._differing()))):
                self._restore(state)
                self._put_back(half)

    def _unexplained(self) -> frozenset[str]:
        """Return the tests that end differently and not with an error of a name or call that no rewriting made."""
        return frozenset(
            test
            for test in self._differing()
            if (failure := self.best.failures.get(test)) is None or failure.kind not in ABOUT_NAMES
        )

    def give_up_suspects(self) -> None:
        """Give up suspect rewritings that only tests could support, unless a run gets less far without them."""
        suspects = [
            (option, change)
            for option in self._options
            if (change := option.change) is not None and not change.offered and self._is_suspect(option)
        ]
        if not suspects or self._gives_up(suspects) or len(suspects) == 1:
            return
        for suspect in suspects:
            self._gives_up([suspect])

    def blame_suspects(self) -> None:
        """Note what the last run says against the rewritings in it that tests reach which end differently."""
        for option in self._options:
            if option.change is not None:
                self._blame(option)

    def _blame(self, option: RewriteOption) -> None:
        """Note what a test says that reaches a rewriting and ends differently."""
        change, differing = option.change, self._differing()
        if change is None or change not in self.coverage.by_change:
            return
        tests = frozenset[str]().union(*self.coverage.of(change, self.best)) & differing
        if tests:
            option.blame(self._said(min(tests)))

    def _said(self, test: str) -> str:
        """Return how a test ends that ended otherwise in the old release."""
        if (failure := self.best.failures.get(test)) is not None:
            return f"`{test}` ends with {failure.error}"
        if self.best.output_differs(self._base, test):
            old, new = changed_lines(self._base.outputs.get(test, ""), self.best.outputs.get(test, ""))[0]
            return f"`{test}` prints `{new[:_SHOWN]}` and not `{old[:_SHOWN]}`, as the old code in the old release"
        return f"`{test}` no longer passes"

    def _gives_up(self, suspects: Sequence[tuple[RewriteOption, Change]]) -> bool:
        self._on_progress("running without the rewritings that did not help")
        state, most = self._state(), len(self._differing())
        for option, _ in suspects:
            self._blame(option)
            option.give_up(Reason.FAILING_TEST)
        uses = [(change.file, change.edits[0].start) for _, change in suspects]
        run, coverage = self._run([*self._open_uses, *uses])
        self.runs += 1
        tree = self._tree()
        differing = run.differing(self._base)
        back = {
            change
            for _, change in suspects
            for test in differing
            if (failure := run.failures.get(test)) is not None and tree.failed_on_line(failure, change)
        }
        if len(differing) > most or back:
            self._restore(state)
            self.needed |= back if len(suspects) > 1 else {change for _, change in suspects}
            return False
        self.best, self.coverage = run, coverage
        return True

    def _run(self, open_uses: Sequence[OpenUse]) -> tuple[TestRun, Coverage]:
        give_up_conflicts(self._options)
        return run_with(self._documents, self._changes(), self._run_tests, open_uses)

    def _changes(self) -> list[Change]:
        return [option.change for option in self._options if option.change is not None]

    def _tree(self) -> RewrittenTree:
        return RewrittenTree(self._documents, self._changes())

    def _improves(self, open_uses: Sequence[OpenUse], most: int) -> bool:
        """Run the tests with the rewritings chosen now; keep that run if at most so many tests end differently."""
        run, coverage = self._run(open_uses)
        self.runs += 1
        if len(run.differing(self._base)) > most:
            return False
        self.best, self.coverage = run, coverage
        return True

    def _may_run(self) -> bool:
        """Return whether another run may be made: of quick commands more than of slow ones."""
        return self.runs < (self._most_runs if self._base.seconds > _QUICK else max(self._most_runs, _QUICK_RUNS))

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


class _Judge:
    """What the last run shows of each change in it."""

    def __init__(
        self, sources: Mapping[Path, SourceFile], chosen: Sequence[Change], proof: Proof, needed: Collection[Change]
    ) -> None:
        self._chosen, self._proof, self._coverage, self._needed = chosen, proof, proof.coverage, needed
        self._tree = RewrittenTree(sources, chosen)
        self._refuted = self._refutations()

    def with_evidence(self, change: Change) -> Change:
        """Return a change with the evidence that the tests give for it."""
        proof, coverage = self._proof, self._coverage
        if change in self._refuted:
            return replace(
                change,
                evidence=EvidenceLevel.REFUTED,
                remark=f"{self._refuted[change]} reaches it and ends differently than before",
            )
        spans = coverage.of(change, proof.after)
        reached = [tests for tests in spans if tests]
        if not reached:
            return replace(change, remark=f"no test reaches it; {change.remark}".removesuffix("; "))
        tests = frozenset[str]().union(*reached)
        if differing := tests & proof.after.differing(proof.base):
            return self._among_failures(change, sorted(differing))
        passing = tests & (proof.after.passed & proof.base.passed | _skipping_again(proof))
        if len(reached) < len(spans):
            remark = f"tests reach {len(reached)} of its {len(spans)} places; {change.remark}"
            shown = change.once_reached if passing else None
            return replace(change, evidence=shown or change.evidence, remark=remark)
        if not passing:
            return replace(change, remark="no test that reaches it passes, before or after")
        remark = f"{_subject(passing)} it: the same result in both releases"
        return replace(change, evidence=EvidenceLevel.PROVEN, remark=remark)

    def _among_failures(self, change: Change, differing: Sequence[str]) -> Change:
        """Return the evidence for a change that is reached by tests which end differently."""
        failures = [self._proof.after.failures.get(test) for test in differing]
        elsewhere = [one for one in failures if one is not None and not self._tree.failed_at(one, change)]
        if len(elsewhere) < len(failures):
            remark = f"{differing[0]} reaches it and ends differently than before, perhaps because of another place"
            return replace(change, remark=remark)
        first = elsewhere[0]
        remark = f"{differing[0]} evaluates it without an error and ends at {first.file.as_posix()}:{self._tree.old_line(first)}"
        if (change.offered and change.evidence not in _PROVEN_BY_NAME) or change in self._needed:
            return replace(change, evidence=EvidenceLevel.RAN, remark=remark)
        return replace(change, remark=f"{change.remark}; {remark}".removeprefix("; "))

    def _refutations(self) -> dict[Change, str]:
        """Return the changes that a test refutes, with the test.

        A test that ends differently refutes the changes that it reaches itself, or else those that ran while modules were
        imported, provided that they are all about one update, that the test reaches no old use that was left, and that it does
        not end with an error at some other place.
        """
        coverage, proof = self._coverage, self._proof
        refuted: dict[Change, str] = {}
        for test in sorted(proof.after.differing(proof.base)):
            if any(test in tests or (not test and tests) for tests in coverage.open_uses):
                continue
            direct = [change for change in self._chosen if any(test in tests for tests in coverage.by_change[change])]
            culprits = direct or [
                change for change in self._chosen if any("" in tests for tests in coverage.by_change[change])
            ]
            failure = proof.after.failures.get(test)
            if failure is not None and failure.kind in ABOUT_NAMES:
                culprits = [change for change in culprits if self._tree.failed_at(failure, change)]
            if len({finding.update.family_id for change in culprits for finding in change.findings}) == 1:
                refuted.update(dict.fromkeys(culprits, test))
        return refuted


def _skipping_again(proof: Proof) -> frozenset[str]:
    """Return the tests that skip themselves as before, which they did not do with the old code in the new release."""
    again = frozenset(
        name for name, outcome in proof.after.tests.items() if outcome == SKIPPED == proof.base.tests.get(name)
    )
    return again & proof.before.differing(proof.base)


def _subject(tests: frozenset[str]) -> str:
    """Return the subject and verb of a sentence about what reaches a change."""
    return f"{len(tests)} tests reach" if len(tests) > 1 else f"{min(tests)} reaches"
