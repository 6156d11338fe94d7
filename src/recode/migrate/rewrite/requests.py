"""What a rename is asked for, and its two outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from recode.migrate.find.findings import Finding
from recode.migrate.source.edits import Edit
from recode.migrate.source.tree import Place
from recode.symbol import Symbol


@dataclass(frozen=True, eq=False)
class RenameRequest:
    """One place to be renamed, and the finding that it comes from.

    Attributes:
        argument_edits: what changes in the arguments of its calls, such as an argument that has to be given by name.
        doubt: why the rename may not be enough, as far as the signatures show it; empty if nothing shows that.
    """

    place: Place
    old: Symbol
    new: Symbol
    finding: Finding | None = None
    argument_edits: tuple[Edit, ...] = ()
    doubt: str = ""


@dataclass(frozen=True)
class Renamed:
    """Edits that belong together, and the requests they settle."""

    requests: tuple[RenameRequest, ...]
    edits: tuple[Edit, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings that the edits settle."""
        return tuple(request.finding for request in self.requests if request.finding is not None)


@dataclass(frozen=True)
class RenameRefused:
    """A place that cannot be renamed safely, and why."""

    request: RenameRequest
    reason: str
