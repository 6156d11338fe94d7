"""The rules witness: places that a rule's pattern matches by itself, though nothing else reports them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recode.knowledge.model import Shape
from recode.knowledge.versions import parse_release, release
from recode.machine import cores
from recode.migrate.find.findings import Examined, Finding, ScanResult, Witness
from recode.migrate.find.index import build_index
from recode.migrate.find.scan import map_files
from recode.migrate.find.statements import guarded_lines
from recode.migrate.project.files import project_files
from recode.migrate.project.own_modules import read_own_modules
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.rules.applying import may_hold
from recode.migrate.rules.planning import ProjectRules
from recode.migrate.rules.store import rules_for
from recode.migrate.source.source_file import SourceFile, read_source
from recode.migrate.source.text import Unreadable
from recode.records import ApiUpdate


def rules_of_project(
    root: Path, library: str, old: str | None, new: str, updates: Sequence[ApiUpdate], shapes: Sequence[Shape]
) -> ProjectRules | None:
    """Return the rules for a project's move to a release; None where there are none.

    Raises:
        RecodeError: a release is none, or the project's own rules have wrong content.
    """
    before, after = release(old) if old else None, parse_release(new, "--to")
    rules = rules_for(library, root, before, after)
    if not rules:
        return None
    # The updates of the rules say which packages a branch for some releases may be about.
    index = build_index([*updates, *(rule.update for rule in rules)], shapes, after, before)
    own = read_own_modules(root.parent if root.is_file() else root, project_files(root), index)
    index.exports, index.classes = own.exports, index.classes | own.classes
    return ProjectRules(tuple(rules), index, before, after, own.names)


def with_rules(scanned: ScanResult, root: Path, rules: ProjectRules, workers: int | None = None) -> ScanResult:
    """Return a scan's result with a finding for each place that only a rule reports.

    Args:
        scanned: what the other witnesses report.
        root: a folder, a Python file or a notebook.
        rules: the rules.
        workers: processes (default: one a core).

    Raises:
        ProcessEndedError: a process was ended from outside.
    """
    folder = root.parent if root.is_file() else root
    by_file: dict[Path, list[Finding]] = {}
    for finding in scanned.findings:
        by_file.setdefault(finding.file, []).append(finding)
    read = functools.partial(_read_file, folder=folder, known=by_file, rules=rules)
    found = [finding for several in map_files(read, project_files(root), workers or cores()) for finding in several]
    examined = (*scanned.examined, Examined(Witness.RULE, True, f"{len(rules.rules)} rules"))
    findings = sorted(
        (*scanned.findings, *found),
        key=lambda one: (one.file.as_posix(), -1 if one.cell is None else one.cell, one.line, one.column, one.symbol),
    )
    return replace(scanned, findings=tuple(findings), examined=examined)


def _read_file(file: Path, *, folder: Path, known: dict[Path, list[Finding]], rules: ProjectRules) -> list[Finding]:
    try:
        source = read_source(folder, file)
        if any(may_hold(source.program, rule, rules.index) for rule in rules.rules):
            return unreported_places(source, known.get(file, []), rules)
    except (Unreadable, SyntaxError, ValueError, RecursionError, MemoryError):
        # Whoever looked at the file first has said so.
        pass
    return []


def unreported_places(source: SourceFile, known: Sequence[Finding], rules: ProjectRules) -> list[Finding]:
    """Return a finding for each place of a file that only a rule reports.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: the file does not parse.
    """
    program = EditableProgram(source.tree, source.newline)
    found = rules.findings(source, program, known)
    if not found:
        return []
    guarded = guarded_lines(source, rules.index)
    return [finding for finding in found if source.tree.line_of(_offset(source, finding)) not in guarded]


def _offset(source: SourceFile, finding: Finding) -> int:
    return source.offset(finding.line, finding.column, finding.cell)
