"""Whether a run ended at a rewriting itself, or somewhere else."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from recode.migrate.prove.coverage import new_offset
from recode.migrate.prove.test_runs import RunFailure
from recode.migrate.rewrite.changes import Change
from recode.migrate.source.edits import Edit, apply, merged
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Tree

ABOUT_NAMES = frozenset(
    {
        "TypeError",
        "AttributeError",
        "ImportError",
        "ModuleNotFoundError",
        "NameError",
        "NotImplementedError",
        "KeyError",
    }
)
"""Errors that a call of something missing, or with arguments that do not fit, raises where it stands."""
_WHOLE_LINE = 1 << 20
"""The end column of a failure of which only the line is known."""


class RewrittenTree:
    """The files of a project with some changes made, to find what stands where in them."""

    def __init__(self, sources: Mapping[Path, SourceFile], changes: Sequence[Change]) -> None:
        """Take all files, and the changes that are made."""
        self._sources, self._changes = sources, changes
        self._trees: dict[Path, Tree | None] = {}

    def failed_at(self, failure: RunFailure, change: Change) -> bool:
        """Return whether a failure is at the code that a change of this tree made: its call, attribute or import."""
        tree = self._tree(change.file)
        if failure.file != change.file or tree is None:
            return False
        first, last = _offsets(tree, failure)
        for edit in change.edits:
            start = new_offset([other for other in self._edits(change.file) if other < edit], edit.start)
            end = start + len(edit.text)
            if start <= first and last <= end and edit.text.strip():
                return True
            unit = _unit(tree, start, end)
            if unit is None:
                continue
            low, high = tree.span(unit)
            if failure.spot[3] >= _WHOLE_LINE and tree.line_of(low) <= failure.line <= tree.line_of(high):
                return True
            # The failing expression is the edited call or a part of it that contains the edit.
            if low <= first and last <= high and first <= start < max(last, first + 1):
                return True
            if isinstance(unit, ast.stmt) and low <= first <= high:
                return True
        return False

    def failed_on_line(self, failure: RunFailure, change: Change) -> bool:
        """Return whether a failure is on a line that a change, which this tree lacks, would rewrite."""
        return failure.file == change.file and any(
            failure.spot[0] <= line <= failure.spot[2] for line in self._lines(change)
        )

    def old_line(self, failure: RunFailure) -> int:
        """Return the line of a failure in the file as the user has it."""
        tree = self._tree(failure.file)
        return failure.line if tree is None else self._old_line(failure.file, _offsets(tree, failure)[0])

    def old_line_of(self, path: Path, line: int) -> int:
        """Return the line, in the file as the user has it, of a line of the rewritten one."""
        tree = self._tree(path)
        return line if tree is None or not 0 < line <= len(tree.starts) else self._old_line(path, tree.starts[line - 1])

    def _old_line(self, path: Path, offset: int) -> int:
        shift = 0
        for edit in self._edits(path):
            if edit.start + shift + len(edit.text) > offset:
                offset = min(offset, edit.start + shift)
                break
            shift += len(edit.text) - (edit.end - edit.start)
        return self._sources[path].tree.line_of(offset - shift)

    def _lines(self, change: Change) -> set[int]:
        tree = self._tree(change.file)
        if tree is None:
            return set()
        edits = self._edits(change.file)
        return {
            tree.line_of(min(new_offset(edits, edit.start), max(len(tree.text) - 1, 0)))
            for edit in change.edits
            if edit.end > edit.start
        }

    def _edits(self, path: Path) -> list[Edit]:
        return merged(edit for change in self._changes if change.file == path for edit in change.edits)

    def _tree(self, path: Path) -> Tree | None:
        if path not in self._trees:
            source = self._sources.get(path)
            try:
                # Notebooks run as their cells' program, so positions in it are those of the run.
                self._trees[path] = None if source is None else Tree(apply(source.program, self._edits(path)))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._trees[path] = None
        return self._trees[path]


def _offsets(tree: Tree, failure: RunFailure) -> tuple[int, int]:
    line, column, end_line, end_column = failure.spot
    lines = len(tree.starts)
    line, end_line = min(line, lines), min(end_line, lines)
    first = tree.offset(line, column)
    if end_column < _WHOLE_LINE:
        return first, max(first, tree.offset(end_line, end_column))
    return first, tree.starts[end_line] if end_line < lines else len(tree.text)


def _unit(tree: Tree, start: int, end: int) -> ast.AST | None:
    """Return what an edit is evaluated as part of: the nearest call that it names or whose argument list it changes."""
    node: ast.AST | None = None
    size = len(tree.text) + 1
    for candidate in tree.nodes:
        if isinstance(candidate, ast.expr | ast.Import | ast.ImportFrom):
            first, last = tree.span(candidate)
            if first <= start and end <= last and last - first < size:
                node, size = candidate, last - first
    while node is not None and not isinstance(node, ast.Call | ast.stmt):
        above = tree.parents.get(node)
        if isinstance(above, ast.Attribute) or (isinstance(above, ast.Call) and above.func is node):
            node = above
        else:
            break
    return node
