"""The runs witness beside the others: environments, commands, and what was compared, in words for the user."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recode.errors import RecodeError
from recode.knowledge.model import Shape
from recode.knowledge.versions import parse_release
from recode.migrate.find.findings import Examined, Finding, ScanResult, Witness
from recode.migrate.find.index import PYTHON, build_index
from recode.migrate.project.environments import project_environment, project_requirements
from recode.migrate.project.files import project_files
from recode.migrate.witnesses.guarded import guarded_lines_of
from recode.migrate.witnesses.runs.recorded_command import ComparedReleases, Comparison, RecordedCommand, Recording
from recode.migrate.witnesses.runs.run_findings import RunReleases, run_findings
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment
from recode.sandbox.trees import TreeRun

OnProgress = Callable[[str], None]
_NOT_FOUND = 127
"""The exit status of a shell that does not find a command."""


@dataclass(frozen=True)
class RunWitness:
    """The inputs of the runs witness, besides the project.

    Attributes:
        library: the library to migrate.
        old: the release that the project uses now; None if unknown, and then there is nothing to compare with.
        new: the release to migrate to.
        commands: the commands to run.
        seconds: wall time of one run.
    """

    library: str
    old: str | None
    new: str
    commands: Sequence[str]
    seconds: float = 600.0


def with_runs(
    scanned: ScanResult,
    root: Path,
    witness: RunWitness,
    updates: Sequence[ApiUpdate],
    shapes: Sequence[Shape],
    merge: Callable[[Iterable[Finding], Iterable[Finding]], tuple[Finding, ...]],
    on_progress: OnProgress = lambda _: None,
) -> ScanResult:
    """Return a scan's result with the findings of the runs witness and what each command showed.

    Args:
        scanned: what the other witnesses found.
        root: the project's folder, or a file of it.
        witness: the releases and the commands.
        updates: known updates of the library: renames, to continue with, and branches that run in some releases only.
        shapes: the API shapes of the library.
        merge: joins the findings of two witnesses.
        on_progress: called with a description of each step as it begins.
    """
    folder = root.parent if root.is_file() else root
    if witness.old is None:
        return _with(
            scanned, Examined(Witness.RUNS, False, "the release that the project uses now is unknown; give --from")
        )
    if witness.library == PYTHON:
        return _with(
            scanned, Examined(Witness.RUNS, False, "all environments are of one Python, so two cannot be compared")
        )
    try:
        old, new = (_environment(folder, witness, release, on_progress) for release in (witness.old, witness.new))
    except RecodeError as error:
        return _with(scanned, Examined(Witness.RUNS, False, str(error)))
    index = build_index(updates, shapes, parse_release(witness.new, "--to"), parse_release(witness.old, "--from"))
    guarded = functools.cache(functools.partial(guarded_lines_of, folder, index))
    known = ComparedReleases(
        (witness.old, witness.new),
        {file: lines for file in project_files(folder) if file.suffix == ".py" and (lines := guarded(file))},
        {str(one.old_symbol): str(one.new_symbol) for one in updates if one.kind in ("renamed", "moved", "replaced")
         and one.old_symbol.is_simple and one.new_symbol.is_simple},
    )  # fmt: skip
    for command in witness.commands:
        try:
            scanned = _with_command(scanned, folder, witness, command, (old, new), known, merge, on_progress)
        except RecodeError as error:
            scanned = _with(scanned, Examined(Witness.RUNS, False, f"`{command}`: {error}"))
    return scanned


def _with_command(
    scanned: ScanResult,
    folder: Path,
    witness: RunWitness,
    command: str,
    environments: tuple[Environment, Environment],
    known: ComparedReleases,
    merge: Callable[[Iterable[Finding], Iterable[Finding]], tuple[Finding, ...]],
    on_progress: OnProgress,
) -> ScanResult:
    runs = RecordedCommand(folder, command, witness.seconds)
    old, new = environments
    assert witness.old is not None
    with tempfile.TemporaryDirectory(prefix="recode-recorded-") as logs:
        on_progress(f"running {command} with {witness.library} {witness.old}, twice")
        recorded = runs.record(old, Path(logs))
        if recorded.runs[0].status == _NOT_FOUND or not recorded.evaluations:
            return _with(scanned, Examined(Witness.RUNS, False, f"`{command}`: {_nothing(recorded.runs[0])}"))
        on_progress(f"running {command} with {witness.library} {witness.new}")
        comparison = runs.compare(recorded, new, releases=known)
    releases = RunReleases(witness.library, witness.old, witness.new, command)
    is_guarded = lambda file, line: line in known.guarded.get(file, ())  # noqa: E731
    seen = run_findings(folder, comparison.differences, releases, is_guarded)
    findings = merge(scanned.findings, seen)
    unexplained = scanned.unexplained
    if not seen and recorded.is_repeatable and not comparison.ends_alike:
        unexplained = (
            *unexplained,
            f"`{command}`: {_ends(recorded, comparison)}, and no expression of the project differs",
        )
    detail = _detail(recorded, comparison, releases)
    return _with(replace(scanned, findings=findings, unexplained=unexplained), Examined(Witness.RUNS, True, detail))


def _with(scanned: ScanResult, examined: Examined) -> ScanResult:
    return replace(scanned, examined=(*scanned.examined, examined))


def _environment(folder: Path, witness: RunWitness, release: str, on_progress: OnProgress) -> Environment:
    on_progress(f"building the environment of {witness.library} {release}")
    named = any(re.search(r"\b(pytest|py\.test)\b", command) for command in witness.commands)
    has = any(re.match(r"pytest\b", requirement) for requirement in project_requirements(folder, witness.library, ""))
    own = ("pytest",) if named and not has and witness.library != "pytest" else ()
    return project_environment(folder, witness.library, release, own)[0]


def _nothing(run: TreeRun) -> str:
    last = (run.stderr.strip() or run.stdout.strip() or "nothing was printed").splitlines()[-1][:200]
    return f"no expression of the project was evaluated (exit status {_status(run)}: {last})"


def _status(run: TreeRun) -> str:
    return f"none, killed after {run.seconds:.0f} s" if run.status is None else str(run.status)


def _ends(recorded: Recording, comparison: Comparison) -> str:
    if recorded.runs[0].status == comparison.new.status:
        return f"prints something else (exit status {_status(comparison.new)})"
    return f"exit status {_status(recorded.runs[0])}, then {_status(comparison.new)}"


def _last_line(run: TreeRun) -> str:
    lines = run.stderr.strip().splitlines()
    return f" ({lines[-1][:200]})" if lines else ""


def _detail(recorded: Recording, comparison: Comparison, releases: RunReleases) -> str:
    """Return what was run and compared."""
    text = f"`{releases.command}` with {releases.library} {releases.old} (twice) and {releases.new}: "
    text += f"{comparison.compared} of {recorded.evaluations} evaluations compared"
    if not recorded.is_repeatable:
        text += ", the rest differ between two runs of the old release or were not reached"
    status = recorded.runs[0].status
    if status != 0:
        text += f"; exit status {_status(recorded.runs[0])} in the old release{_last_line(recorded.runs[0])}"
    if comparison.new.status is None:
        text += f"; killed after {comparison.new.seconds:.0f} s in the new release"
    return text
