"""The lines of a project at which runs differ between the releases, by the values of its own expressions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from recode.migrate.prove.test_runs import TestCommand
from recode.migrate.prove.trial import ProjectTrial
from recode.migrate.witnesses.runs.recorded_command import (
    ComparedReleases,
    DifferenceKind,
    RecordedCommand,
    Recording,
    RunDifference,
)

SECONDS = 60.0
"""Wall time of a command up to which its values are recorded; recording takes several times as long."""
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
    return f"python {command.command}" if (command.root / command.command).suffix == ".py" else command.command


def differing_commands(trial: ProjectTrial, differing: Iterable[str]) -> list[TestCommand]:
    """Return the commands that some differing tests belong to: their own, or else those that run tests."""
    names = set(differing)
    own = {one.command for one in trial.commands if one.command in trial.base.outputs}
    tests = bool(names - own)
    return [one for one in trial.commands if one.command in names or (tests and one.command not in own)]
