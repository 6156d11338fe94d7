"""Merges the findings of a scan's witnesses into one list, with a record of what each witness compared."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recode.errors import RecodeError
from recode.knowledge.model import Shape
from recode.knowledge.versions import parse_release
from recode.migrate.find.findings import Examined, Finding, ScanResult, Witness
from recode.migrate.find.index import PYTHON, build_index
from recode.migrate.find.uses import Uses
from recode.migrate.project.environments import project_environment
from recode.migrate.project.files import project_files
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.migrate.witnesses.asked_names import AskedMove, name_findings
from recode.migrate.witnesses.guarded import guarded_lines_of
from recode.migrate.witnesses.newer_names import without_silent
from recode.migrate.witnesses.type_checker import Checked, PythonRelease, version
from recode.migrate.witnesses.types import CheckedReleases, type_findings
from recode.migrate.witnesses.undated import decided
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment

_GUESSED, _TOGETHER = 0.3, 0.7
"""From which confidence on a second witness of the same place makes it sure enough to report, and how sure."""
_TYPED = frozenset({".py", ".pyi", ".pyw"})
OnProgress = Callable[[str], None]


@dataclass(frozen=True)
class TypeWitness:
    """The inputs of the types witness, besides the project.

    Attributes:
        library: the library to migrate.
        old: the release that the project uses now; None if unknown, and then there is nothing to compare with.
        new: the release to migrate to.
        old_requires: further requirements of the old release's environment; they replace the project's own of the same name.
        new_requires: the same for the new release's.
    """

    library: str
    old: str | None
    new: str
    old_requires: tuple[str, ...] = ()
    new_requires: tuple[str, ...] = ()


def with_types(
    scanned: ScanResult,
    root: Path,
    witness: TypeWitness,
    updates: Sequence[ApiUpdate],
    shapes: Sequence[Shape],
    confidence: float,
    on_progress: OnProgress = lambda _: None,
) -> ScanResult:
    """Return a scan's result with the findings of the types witness or, if it is unavailable, with the reason.

    Args:
        scanned: what the knowledge witness found, with findings of any confidence, since types may confirm them.
        root: the project's folder, or a file of it.
        witness: the releases to compare.
        updates: known updates of the library, which show which branches run in some releases only.
        shapes: the API shapes of the library.
        confidence: the minimum confidence; other findings are left out.
        on_progress: called with a description of each step as it begins.
    """
    files = [file for file in project_files(root) if file.suffix in _TYPED]
    folder = root.parent if root.is_file() else root
    if witness.old is None:
        return _unavailable(
            scanned, confidence, "the release that the project uses now is unknown; give --from", witness.new
        )
    if not files:
        return _unavailable(
            scanned, confidence, "there are no Python files; notebooks are not checked by types", witness.new
        )
    try:
        releases = CheckedReleases(
            witness.library, witness.old, witness.new,
            _environment(folder, witness.library, witness.old, witness.old_requires, on_progress),
            _environment(folder, witness.library, witness.new, witness.new_requires, on_progress),
        )  # fmt: skip
        index = build_index(updates, shapes, parse_release(witness.new, "--to"), parse_release(witness.old, "--from"))
        releases = replace(releases, packages=frozenset({*index.packages, witness.library.replace("-", "_").lower()}))
        known = decided(scanned.findings, witness.new, releases.new if isinstance(releases.new, Environment) else None)
        guarded = functools.cache(functools.partial(guarded_lines_of, folder, index))
        gone: tuple[Finding, ...] = ()
        if isinstance(releases.old, Environment) and isinstance(releases.new, Environment):
            old, new = ReleaseNames(releases.old), ReleaseNames(releases.new)
            known = without_silent(known, folder, files, releases.packages, old)
            on_progress("asking both releases for names")
            move = AskedMove(witness.library, witness.old, witness.new, old, new, releases.packages)
            gone = name_findings(folder, files, move, lambda file, line: line in guarded(file))
        on_progress("comparing types")
        seen = merged(gone, type_findings(folder, files, releases, lambda file, line: line in guarded(file)))
        checker = version()
    except RecodeError as error:
        return _unavailable(scanned, confidence, str(error), witness.new)
    detail = f"{checker}, {len(files)} files against {witness.library} {witness.old} and {witness.new}"
    examined = (*scanned.examined, Examined(Witness.TYPES, True, detail))
    findings = tuple(one for one in merged(known, seen) if one.confidence >= confidence)
    return replace(scanned, findings=findings, examined=examined)


def merged(known: Iterable[Finding], seen: Iterable[Finding]) -> tuple[Finding, ...]:
    """Merge the findings of two witnesses into one list, ordered by place.

    Where both report a place, the first (knowledge) provides the reason and the advice, and the confidence is the higher of the two. The
    checker looked at the release itself, and a run at what happens there, so what they miss breaks, whatever was announced.
    """
    findings = list(known)
    for finding in seen:
        same = [number for number, other in enumerate(findings) if _overlap(finding, other)]
        for number in same:
            findings[number] = _confirmed(findings[number], finding)
        if not same:
            weight = Uses.GUARDED if finding.guarded else 1.0
            findings.append(replace(finding, confidence=finding.confidence * weight))
    return tuple(sorted(findings, key=_order))


def _confirmed(known: Finding, seen: Finding) -> Finding:
    witnesses = tuple(dict.fromkeys((*known.witnesses, *seen.witnesses)))
    if known.guarded or seen.guarded:
        return replace(known, witnesses=witnesses)
    has_run = Witness.RUNS in seen.witnesses
    # A diagnostic about a value's type alone does not show that the code fails; an error in a run does.
    breaks = seen.status == "breaks" and (has_run or seen.kind != "replaced")
    return replace(
        known,
        witnesses=witnesses,
        evidence=f"{known.evidence}; {seen.evidence}: {seen.advice}" if has_run else known.evidence,
        confidence=max(known.confidence, seen.confidence, _TOGETHER if known.confidence >= _GUESSED else 0.0),
        status="breaks" if breaks else known.status,
    )


def _overlap(first: Finding, second: Finding) -> bool:
    if first.file != second.file or second.cell is not None:
        return False
    starts = [(one.line, one.column) for one in (first, second)]
    ends = [(one.end_line, one.end_column) for one in (first, second)]
    return max(starts) < min(ends)


def _order(finding: Finding) -> tuple[str, int, int, int, str]:
    cell = -1 if finding.cell is None else finding.cell
    return finding.file.as_posix(), cell, finding.line, finding.column, finding.symbol


def _environment(folder: Path, library: str, release: str, requires: Sequence[str], on_progress: OnProgress) -> Checked:
    """Return the environment of a release with the project's requirements, or without them if they conflict."""
    if library == PYTHON:
        return PythonRelease(".".join(release.split(".")[:2]))
    on_progress(f"building the environment of {library} {release}")
    return project_environment(folder, library, release, requires)[0]


def _unavailable(scanned: ScanResult, confidence: float, reason: str, target: str) -> ScanResult:
    findings = tuple(one for one in decided(scanned.findings, target, None) if one.confidence >= confidence)
    examined = (*scanned.examined, Examined(Witness.TYPES, False, reason))
    return replace(scanned, findings=findings, examined=examined)
