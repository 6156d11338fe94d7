"""Imports of modules that rules leave without a use: `import pipes` after `pipes.quote` became `shlex.quote`.

Where the module is gone, the import alone would fail.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from recode.migrate.rewrite.import_lines import exchange_names
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.source.edits import Edit
from recode.migrate.source.scopes import Binding


@dataclass
class RuleEdits:
    """Edits that belong together, with the places that they rewrite.

    Attributes:
        rules: the rules that they follow.
        edits: what changes.
        own: the spans of the text that the rules are about; a finding in one of them is settled.
        nodes: the nodes that are replaced.
    """

    rules: tuple[RewriteRule, ...]
    edits: tuple[Edit, ...]
    own: tuple[tuple[int, int], ...]
    nodes: tuple[ast.AST, ...] = ()


def with_left_imports(program: EditableProgram, groups: Sequence[RuleEdits]) -> list[RuleEdits]:
    """Return groups of edits with those that remove the imports whose uses they all rewrite; these groups become one."""
    found = list(groups)
    for statement, binding in _imports(program):
        users = _users(program, binding, found)
        joined = _joined(program, statement, binding, users, found) if users else None
        if joined is not None:
            first, *others = users
            found = [joined if group is first else group for group in found if all(group is not one for one in others)]
    return found


def relied_on(program: EditableProgram, name: str) -> bool:
    """Say whether something else than the program's own code may use a name that it imports."""
    return program.package or name in program.public or name in program.quoted or program.used_elsewhere(name)


def _imports(program: EditableProgram) -> Iterator[tuple[ast.Import | ast.ImportFrom, Binding]]:
    for node in program.tree.nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for bindings in program.scopes.of[node].bindings.values():
            yield from ((node, one) for one in bindings if one.node is node and one.alias is not None)


def _users(program: EditableProgram, binding: Binding, groups: Sequence[RuleEdits]) -> list[RuleEdits]:
    """Return the groups that rewrite the uses of an import; none if a use stays."""
    uses = list(program.scopes.uses(binding))
    if not uses or relied_on(program, binding.name):
        return []
    word = re.compile(rf"\b{re.escape(binding.name)}\b")
    users: list[RuleEdits] = []
    for use in uses:
        start, end = program.tree.span(use)
        mine = next(
            (
                group
                for group in groups
                for edit in group.edits
                if edit.start <= start and end <= edit.end and not word.search(edit.text)
            ),
            None,
        )
        if mine is None:
            return []
        if mine not in users:
            users.append(mine)
    return users


def _joined(
    program: EditableProgram,
    statement: ast.Import | ast.ImportFrom,
    binding: Binding,
    users: Sequence[RuleEdits],
    groups: Sequence[RuleEdits],
) -> RuleEdits | None:
    """Return the users of an import as one group that removes it, too; None where its line leaves no safe edit."""
    assert binding.alias is not None
    first, last = program.tree.span(statement)
    if any(edit.start < last and first < edit.end for group in groups for edit in group.edits):
        return None
    try:
        removed = exchange_names(program, statement, {binding.alias}, ())
    except CannotRename:
        return None
    edits = list(dict.fromkeys(edit for group in users for edit in group.edits))
    others = [edit for group in groups if group not in users for edit in group.edits]
    start, end = removed[0].start, removed[0].end
    if any(start <= edit.start < end for edit in others):
        return None
    added = [edit for edit in edits if start <= edit.start < end]
    if added:
        # The new imports take the line of the old one.
        text = program.newline.join(edit.text.strip("\r\n").lstrip() for edit in added)
        if len(removed) > 1 or any(edit.start != edit.end for edit in added):
            return None
        indent = program.tree.text[start:first]
        removed = [Edit(first, last, text.replace(program.newline, program.newline + indent))]
        edits = [edit for edit in edits if edit not in added]
    return replace(
        users[0],
        rules=tuple(dict.fromkeys(rule for group in users for rule in group.rules)),
        edits=(*edits, *removed),
        own=(*(span for group in users for span in group.own), program.tree.span(binding.alias)),
        nodes=tuple(node for group in users for node in group.nodes),
    )
