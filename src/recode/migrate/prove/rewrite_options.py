"""The rewritings that could be made at each place, and which of them are in the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recode.migrate.rewrite.changes import Change, Reason
from recode.migrate.source.edits import Edit, overlap


@dataclass(eq=False)
class RewriteOption:
    """The rewritings of one place, or of places that belong together, the best first.

    Attributes:
        changes: the rewritings.
        chosen: the number of the one in the tree; None if none is.
        reason: why none is; None while one is.
        errors: what runs showed against rewritings, each with what a run with it says.
    """

    changes: tuple[Change, ...]
    chosen: int | None = 0
    reason: Reason | None = None
    errors: dict[Change, str] = field(default_factory=dict)

    @property
    def change(self) -> Change | None:
        """The rewriting that is in the tree now."""
        return None if self.chosen is None else self.changes[self.chosen]

    def blame(self, error: str) -> None:
        """Note what a run says against the rewriting that is in the tree; what an earlier run said stays."""
        if self.change is not None and error:
            self.errors.setdefault(self.change, error)

    def give_up(self, reason: Reason) -> None:
        """Take the rewriting out of the tree."""
        self.chosen, self.reason = None, reason


def give_up_conflicts(options: Sequence[RewriteOption]) -> None:
    """Give up rewritings that touch the same characters as one of an earlier option."""
    taken: dict[Path, list[Edit]] = {}
    for option in options:
        change = option.change
        if change is None:
            continue
        edits = taken.setdefault(change.file, [])
        if overlap(edits, change.edits):
            option.give_up(Reason.CONFLICT)
        else:
            edits.extend(change.edits)
