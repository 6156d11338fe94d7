"""The report of a run as plain values: every place with its outcome, counts, what the tests said, what was skipped."""

from __future__ import annotations

from collections import Counter
from typing import Any

from recode.migrate.find.findings import Finding, readable
from recode.migrate.pipeline import Migrated
from recode.migrate.rewrite.changes import ORDER, Left

LEFT_ALONE = "left alone"
GUARDED = "guarded"


def outcome_of(left: Left) -> str:
    """Say in a word or two what became of a place that was left alone."""
    if left.reason.startswith(GUARDED):
        return GUARDED
    return left.tried.evidence if left.tried and left.tried.evidence in ("unproven", "refuted") else LEFT_ALONE


def places(result: Migrated) -> list[dict[str, Any]]:
    """Return a row for each finding: that of the scan, with `outcome`, `how` and `remark`; in the order of the files."""
    rows = [
        (finding, _row(finding, change.evidence, change.how, change.remark))
        for change in result.changes
        for finding in change.findings
    ]
    rows += [
        (one.finding, _row(one.finding, outcome_of(one), one.tried.how if one.tried else "", one.reason))
        for one in result.left
    ]
    rows.sort(key=lambda row: (row[0].file.as_posix(), row[0].cell or 0, row[0].line, row[0].column))
    return [row for _, row in rows]


def _row(finding: Finding, outcome: str, how: str, remark: str) -> dict[str, Any]:
    cell = {} if finding.cell is None else {"cell": finding.cell}
    return finding.row() | cell | {"outcome": outcome, "how": how, "remark": remark}


def counts(result: Migrated) -> dict[str, int]:
    """Return how many places came to each outcome, the best first; those that did not occur are left out."""
    found = Counter(str(row["outcome"]) for row in places(result))
    order = [*ORDER, GUARDED, LEFT_ALONE]
    return {name: found[name] for name in order if found[name]}


def as_json(result: Migrated) -> dict[str, Any]:
    """Return the whole report."""
    asked, proof = result.asked, result.proof
    return {
        "library": asked.library,
        "from": asked.old,
        "to": asked.new,
        "model": asked.model if _asked_model(result) else None,
        "places": places(result),
        "counts": counts(result),
        "tests": None if proof is None else tests(result),
        "skipped": [{"file": readable(one.file), "reason": one.reason} for one in result.scanned.skipped],
        "remarks": result.remarks,
        "done": result.done,
    }


def tests(result: Migrated) -> dict[str, Any]:
    """Return what the runs of the tests said; empty where there were none."""
    proof, asked = result.proof, result.asked
    if proof is None:
        return {}
    return {
        "command": asked.tests,
        f"old code, {asked.library} {asked.old}": proof.base.told(),
        f"old code, {asked.library} {asked.new}": proof.before.told(),
        f"new code, {asked.library} {asked.new}": proof.after.told(),
        "brought back": proof.mended,
        "still different": len(proof.after.differing(proof.base)),
        "runs": proof.runs,
    }


def _asked_model(result: Migrated) -> bool:
    changes = [*result.changes, *(one.tried for one in result.left if one.tried is not None)]
    return any(change.how == "model" for change in changes)
