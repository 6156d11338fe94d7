"""The types witness for rewritten files: diagnostics at a rewritten place that the checker did not report there before.

The rewritten files are placed in a folder with links to the rest of the project, so nothing large is copied.
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.migrate.prove.coverage import new_offset
from recode.migrate.rewrite.changes import Change, rewritten_files
from recode.migrate.source.edits import Edit, apply, merged
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Tree
from recode.migrate.witnesses.type_checker import VALUE_RULES, Diagnostic, check
from recode.sandbox.environments import Environment

_UNCERTAIN = VALUE_RULES | {"missing-union-attribute"}
"""Rules whose diagnostics need not show when the code runs: only some values have the type."""
_HARMLESS = frozenset({"deprecated"})
"""Rules that report code which still runs."""


@dataclass(frozen=True)
class TypeObjection:
    """The checker's message about a rewritten place; `certain` unless it concerns only the type of a value."""

    message: str
    certain: bool


def type_objections(
    root: Path,
    sources: Mapping[Path, SourceFile],
    changes: Sequence[Change],
    old: Environment | None,
    new: Environment,
) -> dict[Change, TypeObjection]:
    """Return the changes that the checker objects to in the new release's environment.

    A diagnostic is not an objection if the unchanged code has it too: the same message on the line in the new environment, or the same
    rule on the line in the old one. Notebooks are not checked.

    Args:
        root: the project's folder.
        sources: the files before the changes.
        changes: the changes to check, all applied together.
        old: the old release's environment; None if there is none.
        new: the new release's environment.

    Raises:
        MissingExtraError: ty is not installed.
        TypeCheckError: ty failed.
    """
    checked = [change for change in changes if not sources[change.file].cells and change.file.suffix != ".ipynb"]
    files = sorted({change.file for change in checked})
    if not files:
        return {}
    with tempfile.TemporaryDirectory(prefix="recode-rewritten-") as scratch:
        tree = Path(scratch).resolve() / "project"
        _overlay(root.absolute(), tree, {path: file.new for path, file in rewritten_files(sources, checked).items()})
        after = [one for one in check(tree, files, new) if one.rule not in _HARMLESS]
    if not after:
        return {}
    before = {(one.file, one.line, one.rule, one.message) for one in check(root, files, new)}
    noise = {(one.file, one.line, one.rule) for one in check(root, files, old)} if old is not None else set()
    objections: dict[Change, TypeObjection] = {}
    for path in sorted({one.file for one in after}):
        edited = _EditedFile(sources[path], [change for change in checked if change.file == path])
        for diagnostic in after:
            if diagnostic.file != path:
                continue
            line = edited.old_line(diagnostic)
            if (path, line, diagnostic.rule, diagnostic.message) in before or (path, line, diagnostic.rule) in noise:
                continue
            objection = TypeObjection(diagnostic.message, diagnostic.rule not in _UNCERTAIN)
            for change in edited.changes_at(diagnostic):
                if change not in objections or objection.certain:
                    objections[change] = objection
    return objections


def remaining_diagnostics(
    root: Path,
    sources: Mapping[Path, SourceFile],
    changes: Sequence[Change],
    old: Environment,
    new: Environment,
) -> list[tuple[Path, int, str]]:
    """Return file, old line and message of what the checker reports after all changes, and not of the old code in the old release.

    Args:
        root: the project's folder.
        sources: the files before the changes; only they are checked.
        changes: the changes that are made.
        old: the old release's environment.
        new: the new release's environment.

    Raises:
        MissingExtraError: ty is not installed.
        TypeCheckError: ty failed.
    """
    files = sorted(path for path, source in sources.items() if path.suffix != ".ipynb" and not source.cells)
    if not files:
        return []
    with tempfile.TemporaryDirectory(prefix="recode-rewritten-") as scratch:
        tree = Path(scratch).resolve() / "project"
        _overlay(root.absolute(), tree, {path: file.new for path, file in rewritten_files(sources, changes).items()})
        after = [one for one in check(tree, files, new) if one.rule not in _HARMLESS]
    if not after:
        return []
    noise = {(one.file, one.line, one.rule) for one in check(root, files, old)}
    edited = {path: _EditedFile(sources[path], [change for change in changes if change.file == path]) for path in files}
    found = [(one, edited[one.file].old_line(one)) for one in after]
    return [(one.file, line, one.message) for one, line in found if (one.file, line, one.rule) not in noise]


class _EditedFile:
    """A file after all changes, with the position of each change in it."""

    def __init__(self, source: SourceFile, changes: Sequence[Change]) -> None:
        self.source = source
        self.edits = merged(edit for change in changes for edit in change.edits)
        self.tree = Tree(apply(source.program, self.edits))
        self.spans = {change: [self._around(edit) for edit in change.edits] for change in changes}

    def changes_at(self, diagnostic: Diagnostic) -> Iterable[Change]:
        """Return the changes whose expressions contain a diagnostic."""
        offset = self._offset(diagnostic)
        return [change for change, spans in self.spans.items() if any(start <= offset < end for start, end in spans)]

    def old_line(self, diagnostic: Diagnostic) -> int:
        """Return the line in the unchanged file that corresponds to a diagnostic."""
        offset, shift = self._offset(diagnostic), 0
        for edit in self.edits:
            start = edit.start + shift
            if start + len(edit.text) > offset:
                # The diagnostic lies within or before this replacement.
                offset = min(offset, start)
                break
            shift += len(edit.text) - (edit.end - edit.start)
        return self.source.tree.line_of(offset - shift)

    def _offset(self, diagnostic: Diagnostic) -> int:
        return self.tree.starts[diagnostic.line - 1] + diagnostic.column - 1

    def _around(self, edit: Edit) -> tuple[int, int]:
        """Return the span, after all edits, of the largest expression or import that contains an edit."""
        start = new_offset([other for other in self.edits if other < edit], edit.start)
        end = start + len(edit.text)
        found = (start, end)
        for node in self.tree.nodes:
            if isinstance(node, ast.expr | ast.Import | ast.ImportFrom):
                first, last = self.tree.span(node)
                if first <= start and end <= last and last - first > found[1] - found[0]:
                    found = (first, last)
        return found


def _overlay(root: Path, tree: Path, changed: Mapping[Path, bytes]) -> None:
    """Create a folder with the changed files, in which all other entries are links to the project's."""
    tree.mkdir()
    folders = sorted({Path(), *(parent for path in changed for parent in path.parents)})
    for folder in folders:
        (tree / folder).mkdir(exist_ok=True)
        for entry in (root / folder).iterdir():
            path = folder / entry.name
            if path not in folders and path not in changed:
                (tree / path).symlink_to(entry)
    for path, content in changed.items():
        (tree / path).write_bytes(content)
