"""The lines of a project at which runs differ between the releases, by the values of its own expressions."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from recode.migrate.find.findings import Finding
from recode.migrate.prove.blame import RewrittenTree
from recode.migrate.prove.test_runs import TestCommand
from recode.migrate.prove.trial import ProjectTrial
from recode.migrate.result import MigrationResult
from recode.migrate.witnesses.runs.recorded_command import (
    ComparedReleases,
    DifferenceKind,
    RecordedCommand,
    Recording,
    RunDifference,
)
from recode.migrate.witnesses.runs.run_findings import RunReleases, run_findings
from recode.records import ApiUpdate

OnProgress = Callable[[str], None]
SECONDS = 60.0
"""Wall time of a command up to which its values are recorded; recording takes several times as long."""
_NAMED = re.compile(r"(\w+)(?:\((\w+)\))?$")
"""The last name of a finding's code, and its parameter."""
_TELLING = frozenset(
    {DifferenceKind.RAISES, DifferenceKind.VALUE, DifferenceKind.STATE, DifferenceKind.UNCALLED, DifferenceKind.LATENT}
)


@contextmanager
def run_places(trial: ProjectTrial | None, versions: tuple[str, str]) -> Iterator[RunPlaces | None]:
    """Compare a trial's commands; what is recorded is kept until the end. None where there is no trial."""
    with tempfile.TemporaryDirectory(prefix="recode-recorded-") as folder:
        yield RunPlaces(trial, versions, Path(folder)) if trial is not None else None


class RunPlaces:
    """Compares the commands of a trial by the values of the project's expressions; each is recorded once in the old release."""

    def __init__(self, trial: ProjectTrial, versions: tuple[str, str], folder: Path) -> None:
        """Take the trial, the two releases, and a folder for what is recorded; nothing is run yet."""
        self._trial, self._releases, self._folder = trial, ComparedReleases(versions), folder
        self._recorded: dict[str, Recording] = {}

    def differences(self, changed: Mapping[Path, bytes], commands: Iterable[TestCommand]) -> list[RunDifference]:
        """Return the first differences of each place and kind that say that something broke; by place in the user's files.

        Commands that take long, and notebooks, are left out. Only differing commands are worth asking about.

        Raises:
            RecodeError: the project cannot be copied.
        """
        found: dict[RunDifference, None] = {}
        for one in commands:
            if self._trial.base.seconds > SECONDS or one.command.endswith(".ipynb"):
                continue
            command = RecordedCommand(one.root, _as_program(one), min(one.seconds, 4 * SECONDS))
            if one.command not in self._recorded:
                self._recorded[one.command] = command.record(self._trial.old, self._folder)
            recording = self._recorded[one.command]
            if recording.is_repeatable:
                compared = command.compare(recording, self._trial.new, changed, self._releases)
                found |= dict.fromkeys(one for one in compared.differences if one.kind in _TELLING)
        return list(found)


def _as_program(command: TestCommand) -> str:
    """Return the shell command: a script's name stands for running it."""
    path = command.root / command.command
    return f"python {command.command}" if path.suffix == ".py" and path.is_file() else command.command


def differing_commands(trial: ProjectTrial, differing: Iterable[str]) -> list[TestCommand]:
    """Return the commands that some differing tests belong to: their own, or else those that run tests."""
    names = set(differing)
    own = {one.command for one in trial.commands if one.command in trial.base.outputs}
    tests = bool(names - own)
    return [one for one in trial.commands if one.command in names or (tests and one.command not in own)]


# --- what runs show ---


@dataclass(frozen=True)
class ShownFindings:
    """Findings that a run is the witness of, and those, too uncertain to be reported, that some of them replace."""

    findings: tuple[Finding, ...] = ()
    instead_of: frozenset[Finding] = frozenset()


def shown_by_runs(
    result: MigrationResult,
    places: RunPlaces | None,
    updates: Sequence[ApiUpdate],
    on_progress: OnProgress = lambda _: None,
) -> ShownFindings:
    """Return findings at the lines where runs end or differ in the new release: uncertain ones that are certain now, and new ones.

    Where an update of the library fits the error, a new finding is a use of it; what the receiver is does not matter, since it ran.
    """
    proof, trial = result.proof, result.trial
    if proof is None or trial is None or places is None:
        return ShownFindings()
    tree = RewrittenTree(result.sources, proof.changes)
    failing = proof.after.failing(proof.base)
    ends = {
        (failure.file, tree.old_line(failure), tree.old_line(failure))
        for test, failure in proof.after.failures.items()
        if test in failing
    }
    found: list[Finding] = []
    differing = proof.after.differing(proof.base)
    if differing:
        on_progress("comparing the values of the project's expressions in both releases")
        changed = {file.path: file.new for file in result.files(proof.changes)}
        commands = differing_commands(trial, differing)
        result.differences = places.differences(changed, commands)
        ends |= {(one.file, one.spot[0], one.spot[2]) for one in result.differences}
        found = _new_findings(result, ", ".join(one.command for one in commands), updates)
    surer = [one for one in result.dropped if not one.guarded and any(_is_on(one, *end) for end in ends)]
    new = [one for one in found if not any(_overlap(one, other) for other in (*result.scanned.findings, *surer))]
    return ShownFindings((*(replace(one, confidence=1.0) for one in surer), *new), frozenset(surer))


def _new_findings(result: MigrationResult, commands: str, updates: Sequence[ApiUpdate]) -> list[Finding]:
    guarded = {(one.file, one.line) for one in (*result.scanned.findings, *result.dropped) if one.guarded}
    releases = RunReleases(result.upgrade.library, result.upgrade.old, result.upgrade.new, commands)
    seen = run_findings(result.root, result.differences, releases, lambda file, line: (file, line) in guarded)
    return [_of_known_update(one, updates) for one in seen if not one.guarded]


def _of_known_update(finding: Finding, updates: Sequence[ApiUpdate]) -> Finding:
    """Return a finding of a run as a use of the update that its name or keyword, and its error, are about; if there is one."""
    match = _NAMED.search(finding.symbol)
    if match is None or finding.kind == "return_changed":
        return finding
    name, parameter = match[1], match[2] or ""
    fitting = [
        one
        for one in updates
        if one.old_symbol.is_simple
        and one.old_symbol.path.rpartition(".")[2] == name
        and one.old_symbol.parameter == parameter
    ]
    # The error names the class: `'DataFrame' object has no attribute 'append'`.
    owners = [one for one in fitting if one.old_symbol.path.split(".")[-2] in finding.advice]
    successors = {one.new_symbol for one in owners or fitting}
    if len(successors) != 1:
        return finding
    known = (owners or fitting)[0]
    return replace(
        finding, symbol=str(known.old_symbol), kind=known.kind, advice=known.update_info, update=known, confidence=1.0
    )


def _is_on(finding: Finding, file: Path, first: int, last: int) -> bool:
    return finding.file == file and finding.line <= last and first <= finding.end_line


def _overlap(one: Finding, other: Finding) -> bool:
    starts = [(finding.line, finding.column) for finding in (one, other)]
    ends = [(finding.end_line, finding.end_column) for finding in (one, other)]
    return one.file == other.file and other.cell is None and max(starts) < min(ends)


def place_order(finding: Finding) -> tuple[str, int, int, int, str]:
    """Return what findings are sorted by: file, cell and position."""
    cell = -1 if finding.cell is None else finding.cell
    return finding.file.as_posix(), cell, finding.line, finding.column, finding.symbol
