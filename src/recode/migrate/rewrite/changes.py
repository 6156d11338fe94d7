"""What becomes of a finding: a change with what speaks for it, or the code left alone with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recode.migrate.find.findings import Finding
from recode.migrate.source.edits import Edit

How = Literal["syntax tree", "model"]
Evidence = Literal["proven", "checked by name", "by the note alone", "unproven", "refuted"]
"""What speaks for a change.

`proven`: the tests that reach it give the same results in the new release as the old code gave in the old one. `checked by name`: the
new release has the new name; nothing was run. `by the note alone`: not even that could be asked. `unproven`: written by a model,
and no test says anything. `refuted`: a test that reaches it gives another result.
"""
ORDER: tuple[Evidence, ...] = ("proven", "checked by name", "by the note alone", "unproven", "refuted")


@dataclass(frozen=True)
class Change:
    """Edits of one file that settle one or more findings together. Offsets are those of the file's program."""

    file: Path
    findings: tuple[Finding, ...]
    edits: tuple[Edit, ...]
    how: How
    evidence: Evidence
    remark: str = ""

    @property
    def offered(self) -> bool:
        """Whether it goes into the diff: what nothing speaks for stays advice."""
        return self.evidence in ("proven", "checked by name", "by the note alone")


@dataclass(frozen=True)
class Left:
    """A finding whose code stays as it is; `tried` is a rewriting that nothing proves, where there is one."""

    finding: Finding
    reason: str
    tried: Change | None = None
