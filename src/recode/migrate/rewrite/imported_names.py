"""Renaming what a `from … import` brings: the import and all uses of the name in the file.

Where something else may rely on the old name, the import keeps it by `as`.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from recode.migrate.rewrite.import_lines import MovedName, move_names
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.rewrite.requests import RenameRequest
from recode.migrate.source.edits import Edit
from recode.migrate.source.scopes import Binding
from recode.symbol import Symbol


def import_of(program: EditableProgram, request: RenameRequest) -> Binding | None:
    """Return the binding by `from … import old` that a place belongs to; None if there is none.

    Raises:
        CannotRename: the name may mean something else as well, or comes from another kind of import.
    """
    node = request.place.node
    if isinstance(node, ast.alias) and isinstance(statement := program.tree.parents[node], ast.ImportFrom):
        name = node.asname or node.name
        bindings = [binding for binding in program.scopes.of[statement].resolve(name) if binding.alias is node]
    elif isinstance(node, ast.Name):
        bindings = [binding for binding in program.scopes.of[node].resolve(node.id) if binding.alias is not None]
        if any(b.target == request.old.path and isinstance(b.node, ast.Import) for b in bindings):
            raise CannotRename("the module's own import is what has to change")
    else:
        return None
    bindings = [binding for binding in bindings if isinstance(binding.node, ast.ImportFrom)]
    if not bindings:
        return None
    if len(bindings) > 1 or bindings[0].target != request.old.path:
        raise CannotRename(f"`{bindings[0].name}` is not imported as {request.old.path} and nothing else")
    return bindings[0]


def rename_imported(
    program: EditableProgram,
    statement: ast.ImportFrom,
    requests: Sequence[tuple[RenameRequest, Binding]],
    unchanged: Collection[ast.AST],
) -> list[Edit]:
    """Return the edits of one `from … import …` and of all uses of the names that it renames.

    Args:
        program: the program to edit.
        statement: the import.
        requests: the places that belong to it, with the bindings that they mean.
        unchanged: names of the same updates that stay as they are.

    Raises:
        CannotRename: the import cannot be changed safely.
    """
    targets: dict[ast.alias, tuple[Binding, Symbol]] = {}
    for request, binding in requests:
        assert binding.alias is not None
        _, successor = targets.setdefault(binding.alias, (binding, request.new))
        if successor != request.new:
            raise CannotRename(f"two updates name different successors of {request.old.path}")
    edits: list[Edit] = []
    moved: list[MovedName] = []
    for alias, (binding, new) in targets.items():
        local, uses = _local_name(program, alias, binding, new, unchanged)
        edits += uses
        text = new.name if local == new.name else f"{new.name} as {local}"
        if new.parent == statement.module:
            edits.append(Edit(*program.tree.span(alias), text))
        elif new.of_class:
            raise CannotRename(f"{new.path} belongs to a class and cannot be imported")
        else:
            moved.append(MovedName(alias, new.parent, text))
    return edits + move_names(program, statement, moved)


def _local_name(
    program: EditableProgram, alias: ast.alias, binding: Binding, new: Symbol, unchanged: Collection[ast.AST]
) -> tuple[str, list[Edit]]:
    """Return the name that an import gets in this file, and the edits of its uses."""
    if alias.asname:
        return alias.asname, []
    if new.name == binding.name or _keeps_its_name(program, binding, new, unchanged):
        return binding.name, []
    edits = []
    for use in program.scopes.uses(binding):
        start, end = program.tree.span(use)
        if program.tree.text[start:end] != binding.name:
            return binding.name, []
        edits.append(Edit(start, end, new.name))
    return new.name, edits


def _keeps_its_name(program: EditableProgram, binding: Binding, new: Symbol, unchanged: Collection[ast.AST]) -> bool:
    """Return whether something may rely on the old name, or the new one is taken."""
    name, scope = binding.name, program.scopes.of[binding.node]
    if program.package or name in program.public or name in program.quoted:
        return True
    if len(scope.resolve(name)) != 1 or (new.name in program.bound and new.name != name):
        return True
    if any(not isinstance(use.ctx, ast.Load) or use in unchanged for use in program.scopes.uses(binding)):
        return True
    return scope is program.scopes.module and program.used_elsewhere(name)
