"""The commands that show whether a project works: what the user gave, or what of the project can be run, in both releases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recode.errors import RecodeError, SandboxError
from recode.migrate.project.environments import buildable_environment, project_requirements, with_own_pins
from recode.migrate.prove.commands import FOUND_SECONDS, found_commands
from recode.migrate.prove.spans import Spot
from recode.migrate.prove.test_runs import KILLED, TestCommand, TestRun, steady, together
from recode.sandbox.environments import Environment
from recode.sandbox.trees import isolation

OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class TrialRequest:
    """What is to be run, and in which releases.

    Attributes:
        root: the project's folder.
        library: the library that moves.
        releases: its old and its new release.
        commands: the user's commands; empty: what is found in the project, isolated or not at all.
        seconds: wall time of one run of a command of the user's.
        requires: further requirements of the old and of the new release's environment.
        scanned: the project's folder, or a file of it: where to look for what can be run.
    """

    root: Path
    library: str
    releases: tuple[str, str]
    commands: tuple[str, ...]
    seconds: float
    requires: tuple[tuple[str, ...], tuple[str, ...]]
    scanned: Path


@dataclass(frozen=True)
class ProjectTrial:
    """Commands that succeed with the old code in the old release.

    Attributes:
        commands: the commands.
        old: the old release's environment.
        new: the new release's environment.
        base: the run of the old code in the old release.
        scripts: files of the project that the commands run as scripts.
        given: whether the user gave the commands.
    """

    commands: tuple[TestCommand, ...]
    old: Environment
    new: Environment
    base: TestRun
    scripts: frozenset[Path] = frozenset()
    given: bool = True

    def run(self, changed: Mapping[Path, bytes], watched: Mapping[Path, frozenset[Spot]], reviewed: bool) -> TestRun:
        """Run the commands in the new release, over the project with some files changed."""
        # What nobody asked for runs isolated, whoever wrote it.
        reviewed = reviewed and self.given
        return together([one.run(self.new, changed, watched, reviewed=reviewed) for one in self.commands])


@dataclass
class TrialStart:
    """A trial, or why there is none.

    Attributes:
        trial: the trial; None where nothing can be run.
        unchecked: commands of the user's that prove nothing, each with the reason.
        notes: what else was not run, each with the reason.
    """

    trial: ProjectTrial | None = None
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def start_trial(request: TrialRequest, on_progress: OnProgress = lambda _: None) -> TrialStart:
    """Run the commands twice with the old code in the old release, and keep those that succeed.

    Raises:
        RecodeError: the environments for the user's commands cannot be built, or the project cannot be copied.
    """
    start = TrialStart()
    if request.commands:
        return _with_base(request, request.commands, frozenset(), start, on_progress)
    found = found_commands(request.scanned)
    if not found.commands:
        return start
    try:
        isolation(reviewed=False)
    except SandboxError as error:
        start.notes.append(f"nothing was run, because this machine offers no isolation ({error}); give --run CMD")
        return start
    start.notes += [f"not run: {path.as_posix()} (give it with --run)" for path in found.left_out]
    try:
        return _with_base(request, found.commands, found.scripts, start, on_progress)
    except RecodeError as error:
        start.notes.append(f"nothing was run: {error}")
        return start


def _with_base(
    request: TrialRequest, texts: Sequence[str], scripts: frozenset[Path], start: TrialStart, on_progress: OnProgress
) -> TrialStart:
    given, (old_release, new_release) = bool(request.commands), request.releases
    common = project_requirements(request.root, request.library, " ; ".join(texts))
    on_progress(f"building the environments of {request.library} {old_release} and {new_release} for the runs")
    old, lacks = buildable_environment(request.library, old_release, with_own_pins(common, request.requires[0]))
    new, also = buildable_environment(request.library, new_release, with_own_pins(common, request.requires[1]))
    start.notes += [f"run without {one}: it has no wheel for this Python" for one in dict.fromkeys((*lacks, *also))]
    kept, runs = [], []
    for text in texts:
        command = TestCommand(request.root, text, request.seconds if given else min(request.seconds, FOUND_SECONDS))
        on_progress(f"running {text} with the old code in {request.library} {old_release}")
        first = command.run(old, {}, {}, reviewed=given)
        if not first.passed:
            _note_failure(request, start, command, first)
            continue
        kept.append(command)
        runs.append(steady(first, command.run(old, {}, {}, reviewed=given)))
    if kept:
        start.trial = ProjectTrial(tuple(kept), old, new, _joined(runs), scripts, given)
    return start


def _note_failure(request: TrialRequest, start: TrialStart, command: TestCommand, run: TestRun) -> None:
    release = f"{request.library} {request.releases[0]}"
    if request.commands:
        error = f": {run.last_error}" if run.last_error else ""
        start.unchecked.append(
            f"{command.command} does not pass in {release} before anything is changed ({run.summary}), so it proves nothing{error}"
        )
    elif KILLED in run.tests.values() or run.status is None:
        start.notes.append(
            f"not run to its end: {command.command} takes more than {command.seconds:.0f} s; give it with --run"
        )
    else:
        start.notes.append(
            f"proves nothing: {command.command} does not succeed in {release} either ({run.last_error or run.summary})"
        )


def _joined(runs: Sequence[TestRun]) -> TestRun:
    return replace(together(runs), masked={name: mask for run in runs for name, mask in run.masked.items()})
