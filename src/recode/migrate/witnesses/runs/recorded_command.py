"""Runs a command over copies of a project in two environments and compares the values of the project's own expressions.

    with tempfile.TemporaryDirectory() as folder:
        command = RecordedCommand(root, "python main.py", seconds=60.0)
        old = command.record(old_environment, Path(folder))
        comparison = command.compare(old, new_environment)

`record` runs the command twice in the old release: what differs between the two is not compared. `compare` runs it once in another
environment, over the project as it is or with some files replaced (`changed`), and returns the first difference of each kind at each
place. The compared run is kept on the old run's track: an expression that fails or gives something else is given the old value, so that
later differences show as well. Without any difference it is an ordinary run, and its exit status and output count as such
(`Comparison.ends_alike`).

Code runs isolated where this machine supports it; otherwise with the user's own rights, so call this only for commands that the user gave.
"""

from __future__ import annotations

import enum
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recode.migrate.prove.spans import Spot
from recode.migrate.prove.test_runs import copy_project
from recode.migrate.witnesses.runs.positions import moved_spots
from recode.sandbox.environments import Environment
from recode.sandbox.trees import PROJECT, TreeLimits, TreeRun, isolation, run_in_tree

GUEST = Path(__file__).with_name("guest")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_NUMBER = re.compile(r"\bnp\.(?:float64|int64|bool_?|str_)\(([^()]*)\)")
_DURATION = re.compile(r"\b\d+\.\d+ ?s(?:econds)?\b")


class DifferenceKind(enum.StrEnum):
    """How an expression differs between the releases."""

    RAISES = "raises"
    """It raises in the new release only."""
    VALUE = "value"
    """It gives another value on equal inputs."""
    STATE = "state"
    """The statement leaves an object in another state."""
    WARNS = "warns"
    """It warns of a deprecation in the new release only."""
    UNCALLED = "uncalled"
    """The library calls this function in the old release only."""
    LATENT = "latent"
    """It gives an equal value with another property, such as a read-only array, which made a later expression fail or differ."""
    MAYBE = "raises?"
    """It raises in the new release only, on inputs that it did not have in the old one: perhaps a consequence of something unseen."""


class Continued(enum.StrEnum):
    """How the run was continued after a difference."""

    NOT = ""
    VALUE = "value"
    """With the value of the old release."""
    ABSENT = "absent"
    """With something that stands for the old value, which cannot be carried over."""
    SUCCESSOR = "successor"
    """With the name that replaces the missing one."""
    SKIPPED = "skipped"
    """Without the statement."""
    UNDECORATED = "undecorated"
    """Without the decorators of the function."""


@dataclass(frozen=True)
class RunDifference:
    """One place where the new release differs.

    Attributes:
        kind: how it differs.
        file: relative to the project's root.
        spot: line, column, last line and last column (exclusive); columns count bytes from 0, lines from 1.
        old: what the old release gave, as a short text; of an error "raises NAME".
        new: what the new release gave, or the error or warning.
        name: the attribute, member or function at the place; may be empty.
        continued: how the run was continued.
        related: for `LATENT`, the line where it mattered; else 0.
    """

    kind: DifferenceKind
    file: Path
    spot: Spot
    old: str
    new: str
    name: str = ""
    continued: Continued = Continued.NOT
    related: int = 0


@dataclass(frozen=True)
class Recording:
    """Two runs in the old release, with the folders of their logs."""

    runs: tuple[TreeRun, TreeRun]
    folders: tuple[Path, Path]
    evaluations: int
    """Evaluations of expressions in the first run."""

    @property
    def is_repeatable(self) -> bool:
        """Return whether both runs ended alike."""
        return ends_alike(*self.runs)


@dataclass(frozen=True)
class Comparison:
    """A run in the new release, and how it differs from the recorded ones.

    Attributes:
        old: the first run in the old release.
        new: the run in the new release; kept on the old one's track if there are differences.
        differences: by place, the first of each kind; in the order in which they occurred.
    """

    old: TreeRun
    new: TreeRun
    differences: tuple[RunDifference, ...]
    compared: int = 0
    """Evaluations that were compared."""

    @property
    def ends_alike(self) -> bool:
        """Return whether exit status and output are the same, up to what only printing changes."""
        return ends_alike(self.old, self.new)


@dataclass(frozen=True)
class ComparedReleases:
    """What a comparison should know of the two releases.

    Attributes:
        versions: the old and the new release; a value that contains one of them is no difference.
        guarded: lines that some releases only run, by file; nothing there is compared or continued.
        renames: dotted names of the old release with their successors, to continue with.
    """

    versions: tuple[str, str] = ("", "")
    guarded: Mapping[Path, Collection[int]] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordedCommand:
    """A command that is run over a project: the project's folder, a shell command, and its wall time in seconds."""

    root: Path
    command: str
    seconds: float = 600.0

    def record(self, environment: Environment, folder: Path) -> Recording:
        """Run the command twice and record the values of the project's expressions.

        Args:
            environment: the old release's.
            folder: an existing folder for the logs, which `compare` reads.

        Raises:
            RecodeError: the project cannot be copied.
        """
        runs, folders = [], []
        for _ in range(2):
            logs = Path(tempfile.mkdtemp(dir=folder, prefix="old-"))
            runs.append(self._run(environment, {}, logs, {}, ()))
            folders.append(logs)
        return Recording((runs[0], runs[1]), (folders[0], folders[1]), _evaluations(folders[0]))

    def compare(
        self,
        old: Recording,
        environment: Environment,
        changed: Mapping[Path, bytes] | None = None,
        releases: ComparedReleases | None = None,
    ) -> Comparison:
        """Run the command in another environment and compare it with recorded runs.

        Args:
            old: the recorded runs.
            environment: the new release's.
            changed: new contents of some files, by path relative to the root. Their expressions are compared with those at the same
                place of the old text, as far as the texts correspond. Positions in the result are those of the old text.
            releases: what is known of the two releases.

        Raises:
            RecodeError: the project cannot be copied.
        """
        releases = releases or ComparedReleases()
        settings = {
            "releases": [version for version in releases.versions if version],
            "guarded": {path.as_posix(): sorted(lines) for path, lines in releases.guarded.items()},
            "renames": dict(releases.renames),
            "moved": {path.as_posix(): self._moved(path, content) for path, content in (changed or {}).items()},
        }
        with tempfile.TemporaryDirectory(prefix="recode-compared-") as name:
            run = self._run(environment, changed or {}, Path(name), settings, old.folders)
            return Comparison(old.runs[0], run, tuple(_differences(Path(name))), _compared(Path(name)))

    def _moved(self, path: Path, content: bytes) -> list[tuple[Spot, Spot]]:
        try:
            return moved_spots((self.root / path).read_bytes(), content)
        except (OSError, SyntaxError, ValueError):
            return []

    def _run(
        self,
        environment: Environment,
        changed: Mapping[Path, bytes],
        logs: Path,
        settings: Mapping[str, Any],
        old: Sequence[Path],
    ) -> TreeRun:
        with tempfile.TemporaryDirectory(prefix="recode-runs-") as scratch:
            folder = Path(scratch)
            tree, beside, result = folder / "project", folder / "beside", folder / "result"
            copy_project(self.root, tree)
            for path, content in changed.items():
                (tree / path).write_bytes(content)
            shutil.copytree(GUEST, beside, ignore=shutil.ignore_patterns("__init__.py", "__pycache__"))
            for number, recorded in enumerate(old):
                shutil.copytree(recorded, beside / f"old-{number}")
            (beside / "sitecustomize.py").write_text("import _recode_start\n_recode_start.start()\n", encoding="utf-8")
            for made in (result / "logs", result / "tmp"):
                made.mkdir(parents=True)
            isolated = isolation(True) == "isolated"

            def seen(inside: str, outside: Path) -> str:
                return inside if isolated else str(outside)

            told = {
                **settings,
                "root": seen(PROJECT, tree),
                "out": seen("/result/logs", result / "logs"),
                "old": [seen(f"/beside/old-{number}", beside / f"old-{number}") for number in range(len(old))],
            }
            (beside / "settings.json").write_text(json.dumps(told), encoding="utf-8")
            run = run_in_tree(
                tree, self.command, environment, reviewed=True, beside=beside, result=result, variables=_variables(tree),
                limits=TreeLimits(seconds=self.seconds),
            )  # fmt: skip
            for file in (result / "logs").glob("*.jsonl"):
                # The command could have made links to files that it may not read itself.
                if file.is_file() and not file.is_symlink():
                    shutil.copy(file, logs / file.name)
        return run


def _variables(tree: Path) -> dict[str, str]:
    # Both layouts are common: modules at the top, and below src.
    path = "{beside}:{project}/src:{project}" if (tree / "src").is_dir() else "{beside}:{project}"
    return {
        "PYTHONPATH": path, "RECODE_RUNS_SETTINGS": "{beside}/settings.json", "TMPDIR": "{result}/tmp",
        "PYTEST_ADDOPTS": "-p _recode_start -p no:cacheprovider",
    }  # fmt: skip


def _differences(logs: Path) -> Iterator[RunDifference]:
    """Read what the processes found; a line that is not in the expected form is ignored, since the program can write there."""
    seen: set[tuple[str, str]] = set()
    for file in sorted(logs.glob("found-*.jsonl")):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                if row[0] != "finding" or (row[1], row[2]) in seen:
                    continue
                seen.add((row[1], row[2]))
                yield _difference(row)
            except (ValueError, IndexError, TypeError, AttributeError):
                continue


def _evaluations(logs: Path) -> int:
    """Return the number of evaluations in the logs of a run."""
    count = 0
    for file in logs.glob("log-*.jsonl"):
        with file.open("rb") as lines:
            count += sum(line.startswith((b'["o"', b'["x"')) for line in lines)
    return count


def _compared(logs: Path) -> int:
    """Return the number of evaluations that the processes of a run compared."""
    count = 0
    for file in logs.glob("found-*.jsonl"):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if match := re.fullmatch(r'\["compared", (\d+)\]', line):
                count += int(match[1])
    return count


def _difference(row: Sequence[Any]) -> RunDifference:
    path, _, spot = str(row[1]).split("|")
    line, column, end_line, end_column = (int(number) for number in re.split("[:-]", spot))
    kind = DifferenceKind(row[2])
    related = int(row[6]) if kind is DifferenceKind.LATENT else 0
    continued = Continued.NOT if kind is DifferenceKind.LATENT else Continued(row[6])
    return RunDifference(
        kind, Path(os.path.normpath(path)), (line, column, end_line, end_column), str(row[3]), str(row[4]), str(row[5]), continued,
        related,
    )  # fmt: skip


def ends_alike(first: TreeRun, second: TreeRun) -> bool:
    """Return whether two runs have the same exit status and output, up to what only printing changes."""
    return first.status is not None and first.status == second.status and _printed(first) == _printed(second)


def _printed(run: TreeRun) -> str:
    return _DURATION.sub("", _NUMBER.sub(r"\1", _ADDRESS.sub("0x", run.stdout)))
