"""What the new release says of a model's rewritings before anything runs: names that it lacks, calls that do not fit, types."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.errors import RecodeError
from recode.migrate.prove.coverage import new_offset
from recode.migrate.rewrite.calls.binding import CallArguments, DoesNotBind, bind, shown
from recode.migrate.rewrite.changes import Change
from recode.migrate.rewrite.name_checks import ReleaseNames
from recode.migrate.rewrite.program import EditableProgram
from recode.migrate.source.edits import Edit, apply, merged, overlap
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Tree
from recode.migrate.witnesses.rewritten import type_objections
from recode.sandbox.environments import Environment


@dataclass(frozen=True)
class NewRelease:
    """The release that a project moves to, as far as rewritings are checked with it.

    Attributes:
        root: the project's folder.
        names: answers about the release's names.
        old: the old release's environment; None if there is none.
        new: the new release's environment; None if there is none, and then no types are checked.
    """

    root: Path
    names: ReleaseNames
    old: Environment | None = None
    new: Environment | None = None

    def objections(self, sources: Mapping[Path, SourceFile], changes: Sequence[Change]) -> dict[Change, str]:
        """Return the changes with which the project cannot work in the new release, with the reason.

        Each change is checked as if it were the only one of its place. A diagnostic about the type of a value alone is no objection.

        Args:
            sources: the files before the changes.
            changes: the changes; several may rewrite one place.
        """
        found = {change: why for change in changes if (why := self._unknown_or_unfit(sources[change.file], change))}
        if self.new is not None:
            for together in _apart([change for change in changes if change not in found]):
                try:
                    objections = type_objections(self.root, sources, together, self.old, self.new)
                except RecodeError:
                    # The rules' changes were checked the same way, and a remark says that it could not be done.
                    break
                found |= {
                    change: f"the type checker reports: {one.message}"
                    for change, one in objections.items()
                    if one.certain
                }
        return found

    def _unknown_or_unfit(self, source: SourceFile, change: Change) -> str:
        """Return which name of the library the new release lacks, or which call does not fit; empty if nothing shows that."""
        try:
            edits = merged(change.edits)
            program = EditableProgram(Tree(apply(source.program, edits)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return "the file does not parse with it"
        packages = {finding.update.old_symbol.package for finding in change.findings}
        for node in _touched(program.tree, edits):
            path = _path(program, node)
            if path.partition(".")[0] not in packages:
                continue
            if self.names.has(path) == "no":
                return f"the new release has no {path}"
            call = program.tree.parents.get(node)
            if isinstance(call, ast.Call) and call.func is node and (why := self._unfit(path, call)):
                return why
        return ""

    def _unfit(self, path: str, call: ast.Call) -> str:
        signature = self.names.signature(path)
        if signature is None:
            return ""
        plain = next((n for n, one in enumerate(call.args) if isinstance(one, ast.Starred)), len(call.args))
        words = [word.arg for word in call.keywords if word.arg is not None]
        arguments = CallArguments(
            plain, tuple((word, word) for word in words), plain < len(call.args), len(words) < len(call.keywords)
        )
        try:
            bind(arguments, None, signature)
        except DoesNotBind as obstacle:
            name = path.rpartition(".")[2]
            return f"`{name}()` does not accept these arguments: {obstacle} (`{shown(name, signature)}`)"
        return ""


def _touched(tree: Tree, edits: Sequence[Edit]) -> Iterator[ast.Name | ast.Attribute]:
    """Yield the names and attributes that edits wrote or changed the call of; of a chain, the whole alone."""
    spans = []
    for number, edit in enumerate(edits):
        start = new_offset(edits[:number], edit.start)
        spans.append((start, start + len(edit.text)))
    for node in tree.nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or isinstance(tree.parents.get(node), ast.Attribute):
            continue
        above = tree.parents.get(node)
        low, high = tree.span(above if isinstance(above, ast.Call) and above.func is node else node)
        if any(low <= start <= high and low <= end <= high for start, end in spans) or any(
            start <= low and high <= end for start, end in spans
        ):
            yield node


def _path(program: EditableProgram, node: ast.Name | ast.Attribute) -> str:
    if isinstance(node, ast.Attribute):
        return program.full_name(node)
    targets = {binding.target for binding in program.scopes.of[node].resolve(node.id)}
    return targets.pop() if len(targets) == 1 else ""


def _apart(changes: Sequence[Change]) -> list[list[Change]]:
    """Return the changes in groups in which none overlaps another."""
    groups: list[list[Change]] = []
    for change in changes:
        for group in groups:
            if not overlap(
                [edit for other in group if other.file == change.file for edit in other.edits], change.edits
            ):
                group.append(change)
                break
        else:
            groups.append([change])
    return groups
