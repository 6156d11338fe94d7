"""The report of a migration as plain values: every place with its outcome, counts, test runs, skipped files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from recode.display import encodable, printable
from recode.migrate.find.findings import Finding, readable
from recode.migrate.report.wording import PlaceOutcome, outcome_of_change, outcome_of_left, reason_text
from recode.migrate.result import MigrationResult
from recode.migrate.rewrite.changes import Change, Method


@dataclass(frozen=True)
class PlaceReport:
    """One place as reports show it.

    Attributes:
        finding: the use of an old API.
        outcome: what became of it.
        method: who made the rewriting; None if there is none.
        remark: the evidence, or why the place stays as it is.
        change: the change that settles it; None if it stays as it is.
    """

    finding: Finding
    outcome: PlaceOutcome
    method: Method | None
    remark: str
    change: Change | None = None

    @property
    def where(self) -> str:
        """File, cell and line, safe to print."""
        cell = "" if self.finding.cell is None else f" cell {self.finding.cell}"
        return f"{printable(self.finding.file.as_posix())}{cell}:{self.finding.line}"

    def row(self) -> dict[str, Any]:
        """Return the row of the scan with `outcome`, `how` and `remark`; in notebooks also `cell`."""
        cell = {} if self.finding.cell is None else {"cell": self.finding.cell}
        how = "" if self.method is None else self.method.value
        return self.finding.row() | cell | {"outcome": self.outcome.value, "how": how, "remark": self.remark}


def places(result: MigrationResult) -> list[PlaceReport]:
    """Return every place in the order of files and lines."""
    reports = [
        PlaceReport(finding, outcome_of_change(change), change.method, printable(change.remark), change)
        for change in result.changes
        for finding in change.findings
    ]
    for place in result.left:
        method = place.tried.method if place.tried else None
        remark = printable(reason_text(place, result.sources.get(place.finding.file)))
        reports.append(PlaceReport(place.finding, outcome_of_left(place), method, remark))
    return sorted(reports, key=_position)


def _position(place: PlaceReport) -> tuple[str, int, int, int]:
    finding = place.finding
    return finding.file.as_posix(), finding.cell or 0, finding.line, finding.column


def counts(result: MigrationResult) -> dict[str, int]:
    """Return how many places had each outcome, the best first; outcomes that did not occur are left out."""
    outcomes = Counter(place.outcome for place in places(result))
    return {outcome.value: outcomes[outcome] for outcome in PlaceOutcome if outcomes[outcome]}


def as_json(result: MigrationResult) -> dict[str, Any]:
    """Return the whole report."""
    upgrade = result.upgrade
    return {
        "library": upgrade.library,
        "from": upgrade.old,
        "to": upgrade.new,
        "model": result.options.model if result.model_wrote else None,
        "places": [place.row() for place in places(result)],
        "counts": counts(result),
        "tests": None if result.proof is None else tests(result),
        "verdict": _verdict(result),
        "skipped": [{"file": readable(skip.file), "reason": skip.reason} for skip in result.scanned.skipped],
        "remarks": [encodable(remark) for remark in result.remarks],
        "done": result.done,
    }


def _verdict(result: MigrationResult) -> dict[str, Any] | None:
    """Return how the migration ended; None before the last check."""
    end = result.conclusion
    if end is None:
        return None
    return {
        "verdict": end.verdict.value,
        "ran": list(end.ran),
        "modules imported": end.imported,
        "broken": [
            {"file": None if one.file is None else readable(one.file), "line": one.line, "error": encodable(one.error)}
            for one in end.broken
        ],
        "changed": [{"where": one.where, "old": one.old, "new": one.new} for one in end.changed],
        "unchecked": [encodable(reason) for reason in end.unchecked],
        "notes": [encodable(note) for note in end.notes],
    }


def tests(result: MigrationResult) -> dict[str, Any]:
    """Return what the runs of the tests showed; empty if there were none."""
    proof, upgrade, trial = result.proof, result.upgrade, result.trial
    if proof is None or trial is None:
        return {}
    return {
        "command": "; ".join(command.command for command in trial.commands),
        f"old code, {upgrade.library} {upgrade.old}": proof.base.summary,
        f"old code, {upgrade.library} {upgrade.new}": proof.before.summary,
        f"new code, {upgrade.library} {upgrade.new}": proof.after.summary,
        "brought back": proof.repaired,
        "still different": len(proof.after.differing(proof.base)),
        "runs": proof.runs,
    }
