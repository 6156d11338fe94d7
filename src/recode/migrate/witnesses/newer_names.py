"""Whether a project is already written for a release newer than the one that it is said to come from.

A change that is silent, such as another default, concerns code that was written for the old release. A project that imports
names which the old release lacks was not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recode.migrate.find.findings import Finding, Witness
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.source import parse_quietly

_SILENT = frozenset({"default_changed", "return_changed"})
_ANNOTATIONS = (".Optional",)
"""Symbols that stand for what an annotation means: any other meaning is as silent as another default."""


def without_silent(
    findings: Sequence[Finding], folder: Path, files: Iterable[Path], packages: frozenset[str], old: ReleaseNames
) -> tuple[Finding, ...]:
    """Return the findings without silent changes that only knowledge reports, if the project needs a newer release than the old one.

    Args:
        findings: what was found.
        folder: the project's folder.
        files: its Python files, relative to it.
        packages: what programs import of the library.
        old: the release that the project is said to come from.
    """
    concerned = {one for one in findings if _is_silent(one) and one.witnesses == (Witness.KNOWLEDGE,)}
    if not concerned:
        return tuple(findings)
    names = sorted({name for file in files for name in _imported(folder / file, packages)})
    old.prepare(("has", name, "") for name in names)
    if not any(old.has(name) == "no" for name in names):
        return tuple(findings)
    return tuple(one for one in findings if one not in concerned)


def _is_silent(finding: Finding) -> bool:
    return finding.kind in _SILENT or finding.update.old_symbol.path.endswith(_ANNOTATIONS)


def _imported(path: Path, packages: frozenset[str]) -> Iterator[str]:
    """Yield the names that a module imports of a library unconditionally."""
    try:
        tree = parse_quietly(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in tree.body:
        module = node.module or "" if isinstance(node, ast.ImportFrom) and not node.level else ""
        if isinstance(node, ast.ImportFrom) and module.partition(".")[0] in packages:
            yield from (f"{module}.{alias.name}" for alias in node.names if alias.name != "*")
