"""The options of a migration, and its result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from recode.migrate.find.findings import Finding, ScanResult
from recode.migrate.find.scan import CONFIDENCE
from recode.migrate.project.writing import patch_of, refuse_dirty, refuse_unsaved, write_all
from recode.migrate.rewrite.changes import Change, EvidenceLevel, LeftAlone, Method, Reason, rewritten_files
from recode.migrate.source.edits import overlap
from recode.migrate.source.patch import Rewritten
from recode.migrate.source.source_file import SourceFile

if TYPE_CHECKING:
    from recode.migrate.prove.conclusion import Conclusion
    from recode.migrate.prove.proof import Proof
    from recode.migrate.prove.trial import ProjectTrial
    from recode.migrate.witnesses.runs.recorded_command import RunDifference

SAMPLES = 4
"""Rewritings that a model is asked for at each place."""


@dataclass(frozen=True)
class Upgrade:
    """A library, the release that a project comes from, and the release it moves to."""

    library: str
    old: str
    new: str


@dataclass(frozen=True)
class MigrateOptions:
    """How a migration is made.

    Attributes:
        model: a model folder, a hub name, or the model's name at the endpoint; None: renames by rule only.
        endpoint: an OpenAI-compatible server; None: the model is loaded here.
        samples: rewritings to ask the model for at each place.
        seed: of sampling.
        tests: a shell command that runs the project's tests.
        run: further commands that have to work as before: a shell command, a script or a notebook.
        run_found: without commands, run the scripts and tests that the project has, isolated and within a minute each; and import its
            modules.
        test_seconds: wall time of one run of a command.
        old_requires: further requirements of the environment of the old release.
        new_requires: further requirements of the environment of the new release.
        environments: False builds no environment, so that new names are not checked and no tests run.
        confidence: findings with a lower confidence (0 to 1) are left out.
    """

    model: str | None = None
    endpoint: str | None = None
    samples: int = SAMPLES
    seed: int = 0
    tests: str | None = None
    run: tuple[str, ...] = ()
    run_found: bool = True
    test_seconds: float = 600.0
    old_requires: tuple[str, ...] = ()
    new_requires: tuple[str, ...] = ()
    environments: bool = True
    confidence: float = CONFIDENCE

    @property
    def commands(self) -> tuple[str, ...]:
        """The user's commands."""
        return (*((self.tests,) if self.tests else ()), *self.run)

    @property
    def uses_model(self) -> bool:
        """Whether a model is asked for rewritings."""
        return bool(self.model or self.endpoint)


@dataclass
class MigrationResult:
    """What became of every finding, and what the test runs showed.

    Attributes:
        root: the folder that all paths are relative to.
        upgrade: the library and its two releases.
        options: how the migration was made.
        scanned: the findings, and what was read.
        changes: the changes with evidence.
        left: the findings whose code stays as it is.
        dropped: the findings that are too uncertain to be reported.
        trial: the commands that are run in both releases; None where there are none.
        proof: the runs of the tests; None where none were made.
        differences: expressions of the project that raise, or give another value, in the new release; positions in the old files.
        conclusion: how the migration ends; None before the last check.
        unchecked: commands of the user's that prove nothing, with the reason.
        notes: what else was not run, with the reason.
        sources: the files as they were read.
        remarks: further facts that the user should know, such as an environment that could not be built.
    """

    root: Path
    upgrade: Upgrade
    options: MigrateOptions
    scanned: ScanResult
    changes: list[Change] = field(default_factory=list)
    left: list[LeftAlone] = field(default_factory=list)
    dropped: tuple[Finding, ...] = ()
    trial: ProjectTrial | None = None
    proof: Proof | None = None
    differences: list[RunDifference] = field(default_factory=list)
    conclusion: Conclusion | None = None
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sources: dict[Path, SourceFile] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def offered(self) -> list[Change]:
        """The changes with enough evidence for the diff, in the order of the files."""
        return [change for change in self.changes if change.offered]

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: the last check found nothing, and every place that breaks is changed."""
        if self.conclusion is not None:
            return self.conclusion.holds
        return not any(place.is_open for place in self.left)

    @property
    def model_wrote(self) -> bool:
        """Whether a model wrote any of the rewritings, taken or not."""
        tried = [place.tried for place in self.left if place.tried is not None]
        return any(change.method is Method.MODEL for change in (*self.changes, *tried))

    def files(self, changes: Iterable[Change] | None = None) -> list[Rewritten]:
        """Return the files that changes make, in the order of their paths; by default the offered changes."""
        made = rewritten_files(self.sources, self.offered if changes is None else changes)
        return [made[path] for path in sorted(made)]

    def with_unproven(self) -> list[Change]:
        """Return the offered changes and those unproven ones that touch none of them."""
        taken = self.offered
        for place in self.left:
            change = place.tried
            if change is not None and change.evidence is EvidenceLevel.UNPROVEN and not _conflicts(change, taken):
                taken.append(change)
        return taken

    def settled(self, taken: Sequence[Change]) -> MigrationResult:
        """Return the result in which exactly these changes are made, and every other place stays as it is."""
        done = {finding for change in taken for finding in change.findings}
        left = [place for place in self.left if place.finding not in done]
        left += [
            LeftAlone(finding, Reason.NOT_TAKEN, tried=change)
            for change in self.changes
            for finding in change.findings
            if finding not in done
        ]
        same = set(taken) == set(self.offered)
        result = replace(self, changes=list(taken), left=left, conclusion=self.conclusion if same else None)
        result.sort()
        return result

    def use_of(self, place: LeftAlone) -> tuple[Path, int] | None:
        """Return file and offset of a place that stays as it is; None in notebooks and in files that were not read."""
        finding = place.finding
        source = self.sources.get(finding.file)
        if source is None or source.cells:
            return None
        try:
            return finding.file, source.offset(finding.line, finding.column)
        except ValueError:
            return None

    def open_uses(self) -> list[tuple[Path, int]]:
        """Return file and offset of the old uses that break in the new release and stay as they are."""
        uses = (self.use_of(place) for place in self.left if place.is_open)
        return list(dict.fromkeys(use for use in uses if use is not None))

    def sort(self) -> None:
        """Put changes and places into the order of files and lines."""
        self.changes.sort(key=lambda change: (change.file.as_posix(), change.edits[0].start if change.edits else 0))
        self.left.sort(key=lambda place: (place.finding.file.as_posix(), place.finding.cell or 0, place.finding.line))

    def patch(self) -> bytes:
        """Return the offered changes as one patch for `git apply`, from the top of the repository around the root.

        Without a repository the paths are relative to the root. Empty where nothing changes.

        Raises:
            RecodeError: the root is not below the top that git names, because a link leads to it.
        """
        return patch_of(self.root, self.files())

    def write(self, *, allow_dirty: bool = False) -> list[Path]:
        """Change the project's files and return their paths, relative to the root.

        Each file is replaced atomically. What git could not bring back is refused first.

        Args:
            allow_dirty: write over uncommitted changes, and files that git does not have.

        Raises:
            RecodeError: git could not bring back a file; a file changed since it was read, or cannot be written.
        """
        files = self.files()
        paths = [file.path for file in files]
        if not allow_dirty:
            refuse_dirty(self.root)
            refuse_unsaved(self.root, paths)
        write_all(self.root, files)
        return paths


def _conflicts(change: Change, taken: Sequence[Change]) -> bool:
    return any(other is change or (other.file == change.file and overlap(other.edits, change.edits)) for other in taken)
