"""How a migration ends: whether the program works in the new release, and what shows it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from recode.migrate.prove.blame import RewrittenTree
from recode.migrate.prove.outputs import changed_lines
from recode.migrate.prove.test_runs import TestRun


class MigrationVerdict(StrEnum):
    """The end of a migration."""

    WORKS = "works as before"
    """Every run ends as with the old release, and no place that breaks is left."""
    CHANGED = "works, with these values changed"
    """Every run succeeds, and prints something else than with the old release."""
    BROKEN = "still broken"
    """A run or an import fails, or a place that breaks stays as it is."""
    NOT_RUN = "not run"
    """Nothing that breaks is known to be left, and nothing could be run to show it."""


@dataclass(frozen=True)
class BrokenPlace:
    """A line that fails in the new release, in the file as the user has it; no file where only the command is known."""

    file: Path | None
    line: int
    error: str


@dataclass(frozen=True)
class ChangedValue:
    """A value in the old release and in the new one: a line that a command prints, or an expression of the project.

    Attributes:
        where: the command, or `FILE:LINE` of the expression.
        old: the line or value with the old release; empty where there is no such line.
        new: the same with the new release.
    """

    where: str
    old: str
    new: str


@dataclass(frozen=True)
class Conclusion:
    """The verdict and its reasons.

    Attributes:
        verdict: the end of the migration.
        ran: the commands that were run in both releases.
        imported: how many modules of the project were imported in the new release.
        broken: what still fails.
        changed: what is printed differently.
        unchecked: what should have been checked and could not be.
        notes: what else was not run.
    """

    verdict: MigrationVerdict
    ran: tuple[str, ...] = ()
    imported: int = 0
    broken: tuple[BrokenPlace, ...] = ()
    changed: tuple[ChangedValue, ...] = ()
    unchecked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is left to do: the command's exit code is 0."""
        return self.verdict is MigrationVerdict.WORKS or (
            self.verdict is MigrationVerdict.NOT_RUN and not self.unchecked
        )


def broken_in_run(after: TestRun, base: TestRun, tree: RewrittenTree) -> list[BrokenPlace]:
    """Return where the tests end that pass in the old release and fail in the new one, each place once."""
    found: dict[BrokenPlace, None] = {}
    for test in sorted(after.failing(base)):
        failure = after.failures.get(test)
        if failure is not None:
            found[BrokenPlace(failure.file, tree.old_line(failure), failure.error)] = None
        else:
            outcome = after.tests.get(test, "not there any more")
            found[BrokenPlace(None, 0, f"{test}: {after.last_error or outcome}")] = None
    return list(found)


def changed_in_run(after: TestRun, base: TestRun, but: Collection[str] = ()) -> list[ChangedValue]:
    """Return the lines that commands print differently, of commands that succeed in both releases."""
    found = []
    for name in sorted(after.differing(base) - after.failing(base) - set(but)):
        lines = changed_lines(base.outputs.get(name, ""), after.outputs.get(name, ""))
        found += [ChangedValue(name, old, new) for old, new in lines]
    return found
