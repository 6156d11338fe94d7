"""What becomes of a finding: a change with its evidence, or the code left alone for a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from recode.migrate.find.findings import Finding
from recode.migrate.source.edits import Edit
from recode.migrate.source.patch import Rewritten
from recode.migrate.source.source_file import SourceFile


class Method(StrEnum):
    """Who made a rewriting: a rule that edits names by their place in the syntax tree, or a model."""

    SYNTAX_TREE = "syntax tree"
    MODEL = "model"


class EvidenceLevel(StrEnum):
    """How well a change is supported, the strongest first."""

    PROVEN = "proven"
    """The tests that reach it give the same results in the new release as the old code gave in the old one."""
    SAME_OBJECT = "same object"
    """A release that has both names has one object under them, and the new release has the new name."""
    FORWARDS = "plain forward"
    """In a release that has both names, the old one only calls the new one; the new release has the new name."""
    EQUAL = "equal on generated arguments"
    """In a release that has both names, they give the same results and exceptions on many generated arguments."""
    RAN = "ran"
    """A run evaluates it in the new release without an error; that run ends differently for another reason."""
    BY_RULE = "by a proven rule"
    """A rule was followed that other programs proved by running; the new release has what it writes."""
    CHECKED_BY_NAME = "checked by name"
    """The new release has the new name, and as far as its signature is known the call fits; nothing was run."""
    BY_NOTE_ALONE = "by the note alone"
    """The update's note names the new name, and the release could not be asked about it."""
    UNPROVEN = "unproven"
    """A model's rewriting, a named successor, or a rename of a guessed receiver that no test confirms."""
    REFUTED = "refuted"
    """The new release lacks the new name, or a test that reaches the change gives another result."""


OFFERED = frozenset(
    {
        EvidenceLevel.PROVEN, EvidenceLevel.SAME_OBJECT, EvidenceLevel.FORWARDS, EvidenceLevel.EQUAL, EvidenceLevel.RAN,
        EvidenceLevel.BY_RULE,
        EvidenceLevel.CHECKED_BY_NAME, EvidenceLevel.BY_NOTE_ALONE,
    }
)  # fmt: skip
"""The evidence with which a change goes into the diff; with less it is only suggested."""


class Reason(StrEnum):
    """Why the code of a finding stays as it is. `recode.migrate.report.wording` has the sentences."""

    GUARDED = "guarded"
    """The code around it handles both releases."""
    UNREADABLE = "unreadable"
    """The file cannot be read and written back to the same bytes."""
    UNPARSABLE = "unparsable"
    """This Python cannot parse the file."""
    TOO_DEEP = "too deep"
    """The file's expressions are nested beyond Python's recursion limit."""
    NO_NAME = "no name"
    """No name of the program stands at the place of the finding."""
    NO_RULE = "no rule"
    """The update is more than a rename."""
    RENAME_REFUSED = "rename refused"
    """The update is a rename that cannot be done safely at this place."""
    DOES_NOT_BIND = "does not bind"
    """The new name does not accept the arguments of the call."""
    TYPES = "types"
    """A type checker reports the rewritten place, and did not report it before."""
    CONFLICT = "conflict"
    """Another change touches the same characters."""
    BREAKS_THE_FILE = "breaks the file"
    """With the change, the file would no longer parse."""
    NAME_MISSING = "name missing"
    """The new release lacks the new name."""
    FAILING_TEST = "failing test"
    """A test that reaches the rewriting failed with it, so it was taken out again."""
    REFUTED = "refuted"
    """A test that reaches this rewriting alone gives another result."""
    UNPROVEN = "unproven"
    """Nothing proves the rewriting."""
    RUNS_AS_BEFORE = "runs as before"
    """The old code runs in the new release, and what reaches it ends as before."""
    NOT_TAKEN = "not taken"
    """The user did not take the change."""


@dataclass(frozen=True, eq=False)
class Change:
    """Edits of one file that settle one or more findings together. Offsets are those of the file's program.

    Two changes are equal only if they are the same object, so that a change can be a key.

    Attributes:
        once_reached: the evidence that it has where a passing test reaches any part of it: for an edit of which only the type of a
            receiver was guessed, which a run shows. None: a part is not enough.
    """

    file: Path
    findings: tuple[Finding, ...]
    edits: tuple[Edit, ...]
    method: Method
    evidence: EvidenceLevel
    remark: str = ""
    once_reached: EvidenceLevel | None = None

    @property
    def offered(self) -> bool:
        """Whether it goes into the diff."""
        return self.evidence in OFFERED


@dataclass(frozen=True, eq=False)
class LeftAlone:
    """A finding whose code stays as it is.

    Attributes:
        detail: what the reason alone does not say, such as the name that the new release lacks.
        model_detail: why no rewriting of the model that was asked is taken; empty if none was asked.
        tried: a rewriting that is not offered, if there is one.
    """

    finding: Finding
    reason: Reason
    detail: str = ""
    tried: Change | None = None
    model_detail: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it breaks in the new release, as far as is known."""
        return self.finding.status == "breaks" and self.reason not in (Reason.GUARDED, Reason.RUNS_AS_BEFORE)


def rewritten_files(sources: Mapping[Path, SourceFile], changes: Iterable[Change]) -> dict[Path, Rewritten]:
    """Return the files that changes make, by path."""
    by_file: dict[Path, list[Edit]] = {}
    for change in changes:
        by_file.setdefault(change.file, []).extend(change.edits)
    return {
        path: Rewritten(path, sources[path].original, sources[path].encoded(edits)) for path, edits in by_file.items()
    }
