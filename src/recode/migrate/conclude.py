"""The last check of a migration: runs, imports and types of the project with exactly the changes that are made."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from recode.errors import RecodeError
from recode.migrate.find.findings import Finding, Witness
from recode.migrate.project.environments import project_environment
from recode.migrate.project.files import project_files
from recode.migrate.prove.blame import RewrittenTree
from recode.migrate.prove.conclusion import (
    BrokenPlace,
    ChangedValue,
    Conclusion,
    MigrationVerdict,
    broken_in_run,
    changed_in_run,
)
from recode.migrate.prove.coverage import Coverage, run_with
from recode.migrate.prove.module_imports import ImportFailure, import_failures, modules_to_import
from recode.migrate.prove.test_runs import TestRun
from recode.migrate.result import MigrationResult
from recode.migrate.rewrite.changes import EvidenceLevel, Reason
from recode.migrate.witnesses.rewritten import remaining_diagnostics
from recode.migrate.witnesses.runs.recorded_command import DifferenceKind, RunDifference
from recode.sandbox.environments import Environment

OnProgress = Callable[[str], None]
_LONGEST = 160


def conclude(result: MigrationResult, scanned: Path, on_progress: OnProgress = lambda _: None) -> Conclusion:
    """Return how a migration ends with the changes that its result has.

    Places that stay as they are, and that a run reaches which ends as before, are marked as such in the result.

    Args:
        result: the migration.
        scanned: the project's folder, or a file of it.
        on_progress: called with a description of the current step.

    Raises:
        RecodeError: the project cannot be copied.
    """
    changes = result.changes
    tree = RewrittenTree(result.sources, changes)
    last = _LastCheck(result, scanned, on_progress)
    trial = result.trial
    if trial is not None:
        after, coverage = _last_run(result, on_progress)
        last.broken += broken_in_run(after, trial.base, tree)
        printed = changed_in_run(after, trial.base)
        if last.broken:
            last.add([_raising(one) for one in _differences(result) if one.kind is DifferenceKind.RAISES])
        if printed:
            last.changed += [_changed(one) for one in _differences(result) if one.kind is DifferenceKind.VALUE]
        last.changed += printed
        _settle_open(result, after, trial.base, coverage)
    last.ask_environments()
    missed = (one for one in result.scanned.examined if _is_missed(result, one.witness, one.available))
    last.unchecked += [f"{one.witness}: {one.detail}" for one in missed]
    last.add_open_places()
    return last.conclusion()


class _LastCheck:
    """What the last check of a migration found so far."""

    def __init__(self, result: MigrationResult, scanned: Path, on_progress: OnProgress) -> None:
        self._result, self._scanned, self._on_progress = result, scanned, on_progress
        self.broken: list[BrokenPlace] = []
        self.changed: list[ChangedValue] = []
        self.unchecked, self.notes, self.imported = list(result.unchecked), list(result.notes), 0

    def ask_environments(self) -> None:
        """Import the project's modules, and check the types of what was rewritten."""
        if not self._result.options.environments:
            self.unchecked.append("names, types and imports were not checked in the new release (--offline)")
            return
        environments = _environments(self._result)
        if environments is None:
            return
        if self._result.options.run_found:
            broken, self.imported, notes = _imports(self._result, self._scanned, environments, self._on_progress)
            self.add(broken)
            self.notes += notes
        self.add(_types(self._result, environments, self.unchecked, self._on_progress))

    def add_open_places(self) -> None:
        """Add the places that break and stay as they are."""
        self.add(
            [
                BrokenPlace(place.finding.file, place.finding.line, _reason(place.finding))
                for place in self._result.left
                if place.is_open and not _is_another_value(place.finding)
            ]
        )

    def add(self, places: Sequence[BrokenPlace]) -> None:
        """Add broken places on lines that are not listed yet."""
        known = {(place.file, place.line) for place in self.broken}
        self.broken += [place for place in places if (place.file, place.line) not in known]

    def conclusion(self) -> Conclusion:
        """Return the verdict with its reasons."""
        trial = self._result.trial
        if self.broken:
            verdict = MigrationVerdict.BROKEN
        elif self.changed:
            verdict = MigrationVerdict.CHANGED
        else:
            # A command of the user's that proves nothing leaves the question open.
            verdict = MigrationVerdict.WORKS if trial and not self.unchecked else MigrationVerdict.NOT_RUN
        return Conclusion(
            verdict,
            tuple(one.command for one in trial.commands) if trial else (),
            self.imported,
            tuple(self.broken),
            tuple(self.changed),
            tuple(self.unchecked),
            tuple(self.notes),
        )


def _is_another_value(finding: Finding) -> bool:
    """Return whether only a run saw a finding, as another value: that is a changed value, and nothing that fails."""
    return finding.witnesses == (Witness.RUNS,) and finding.kind == "return_changed"


def _differences(result: MigrationResult) -> list[RunDifference]:
    """Return what was recorded with exactly the changes that are made."""
    same = result.proof is not None and set(result.proof.changes) == set(result.changes)
    return result.differences if same else []


def _raising(one: RunDifference) -> BrokenPlace:
    return BrokenPlace(one.file, one.spot[0], one.new)


def _changed(one: RunDifference) -> ChangedValue:
    return ChangedValue(f"{one.file.as_posix()}:{one.spot[0]}", one.old, one.new)


def _reason(finding: Finding) -> str:
    """Return what breaks at a place that no run ended at."""
    advice = textwrap.shorten(finding.advice, _LONGEST, placeholder=" …")
    return f"{finding.symbol}: {advice}" if advice else f"{finding.symbol} breaks in {finding.since}"


def _is_missed(result: MigrationResult, witness: Witness, available: bool) -> bool:
    """Return whether a witness should have looked and could not; a run that succeeds makes up for types."""
    return witness is Witness.TYPES and not available and result.trial is None and result.options.environments


def _last_run(result: MigrationResult, on_progress: OnProgress) -> tuple[TestRun, Coverage]:
    """Return the run with exactly the changes that are made; made now unless it was the last one."""
    trial, proof, changes = result.trial, result.proof, result.changes
    assert trial is not None
    if proof is not None and set(proof.changes) == set(changes):
        return proof.after, proof.coverage
    on_progress("running the project with the changes that are made")
    return run_with(result.sources, changes, trial.run, result.open_uses())


def _settle_open(result: MigrationResult, after: TestRun, base: TestRun, coverage: Coverage) -> None:
    """Mark the places that stay as they are and that tests evaluate which pass as before."""
    differing = after.differing(base)
    for number, place in enumerate(result.left):
        use = result.use_of(place)
        if not place.is_open or use is None:
            continue
        spans = [frozenset(after.tests) if "" in tests else tests for tests in coverage.by_open.get(use, [])]
        passing = [(tests & after.passed) - differing for tests in spans]
        if spans and all(passing) and not any(tests & differing for tests in spans):
            result.left[number] = replace(place, reason=Reason.RUNS_AS_BEFORE, detail="", tried=None, model_detail="")


def _environments(result: MigrationResult) -> tuple[Environment, Environment] | None:
    """Return the project's environments of both releases; None where they cannot be built."""
    upgrade, options = result.upgrade, result.options
    try:
        return (
            project_environment(result.root, upgrade.library, upgrade.old, options.old_requires)[0],
            project_environment(result.root, upgrade.library, upgrade.new, options.new_requires)[0],
        )
    except RecodeError:
        # The types witness has said so.
        return None


def _imports(
    result: MigrationResult, scanned: Path, environments: tuple[Environment, Environment], on_progress: OnProgress
) -> tuple[list[BrokenPlace], int, list[str]]:
    """Import the project's modules in the new release; return those that fail there alone, how many were imported, and notes."""
    old, new = environments
    scripts = result.trial.scripts if result.trial else frozenset()
    modules = modules_to_import(project_files(scanned), scripts)
    files = {file.path: file.new for file in result.files(result.changes)}
    on_progress(f"importing {len(modules)} modules in {result.upgrade.library} {result.upgrade.new}")
    try:
        after = import_failures(result.root, files, list(modules), new)
        failing = [name for name, failure in after.items() if failure is not None]
        before = import_failures(result.root, {}, failing, old)
    except RecodeError as error:
        return [], 0, [f"no module was imported: {error}"]
    broken = []
    tree = RewrittenTree(result.sources, result.changes)
    for name in failing:
        failure = after[name]
        if failure is not None and name in before and before[name] is None:
            broken.append(_broken_import(failure, modules[name], tree))
    notes = (
        [f"{len(modules) - len(after)} modules were not imported: {list(after)[-1:]} ends the process"]
        if len(after) < len(modules)
        else []
    )
    return list(dict.fromkeys(broken)), len(after) - len(failing), notes


def _broken_import(failure: ImportFailure, module: Path, tree: RewrittenTree) -> BrokenPlace:
    file = failure.file or module
    return BrokenPlace(file, tree.old_line_of(file, failure.line), failure.error)


def _types(
    result: MigrationResult,
    environments: tuple[Environment, Environment],
    unchecked: list[str],
    on_progress: OnProgress,
) -> list[BrokenPlace]:
    """Return what a type checker reports of the rewritten files in the new release, and of the old ones in the old one not.

    Lines that a run proves are left out, and those of places that are listed anyway.
    """
    if not any(one.witness is Witness.TYPES and one.available for one in result.scanned.examined):
        return []
    on_progress("checking the types of the migrated project")
    old, new = environments
    try:
        remaining = remaining_diagnostics(result.root, result.sources, result.changes, old, new)
    except RecodeError as error:
        unchecked.append(f"types of the rewritten code: {error}")
        return []
    settled = {(place.finding.file, place.finding.line) for place in result.left}
    settled |= {(finding.file, finding.line) for finding in result.dropped if finding.guarded}
    for change in result.changes:
        if change.evidence in (EvidenceLevel.PROVEN, EvidenceLevel.RAN):
            settled |= {(change.file, finding.line) for finding in change.findings}
    return [BrokenPlace(file, line, message) for file, line, message in remaining if (file, line) not in settled]
