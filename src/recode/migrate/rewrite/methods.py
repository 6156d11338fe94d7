"""Renaming methods that a library calls by their names, such as `setup` in a class of tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.rewrite.requests import RenameRequest
from recode.migrate.source.edits import Edit

_Method = ast.FunctionDef | ast.AsyncFunctionDef


def rename_method(program: EditableProgram, node: _Method, request: RenameRequest) -> list[Edit]:
    """Return the edits that rename a method, and what its class calls it by.

    Raises:
        CannotRename: it is no method, the class has the new name already, or something else in the file uses the name.
    """
    old, new, tree = request.old, request.new, program.tree
    owner = tree.parents.get(node)
    if not isinstance(owner, ast.ClassDef) or old.parent != new.parent or node.name != old.name:
        raise CannotRename(f"`{node.name}` is no method that stands for {old.path}")
    if any(_defines(statement, new.name) for statement in owner.body):
        raise CannotRename(f"`{owner.name}` has a `{new.name}` already")
    if sum(_defines(statement, old.name) for statement in owner.body) > 1:
        raise CannotRename(f"`{owner.name}` defines `{old.name}` more than once")
    if old.name in program.quoted:
        raise CannotRename(f"`{old.name}` also stands in a string, which may name the method")
    edits = [Edit(request.place.start, request.place.end, new.name)]
    for use in tree.nodes:
        if isinstance(use, ast.Attribute) and use.attr == old.name and (edit := _use(program, use, owner, request)):
            edits.append(edit)
    return edits


def _use(program: EditableProgram, use: ast.Attribute, owner: ast.ClassDef, request: RenameRequest) -> Edit | None:
    """Return the edit of an attribute of the method's name; None if it belongs to a class whose own method is renamed.

    Raises:
        CannotRename: it is not known whose attribute it is.
    """
    name = request.old.name
    classes = [node for node in _around(program, use) if isinstance(node, ast.ClassDef)]
    if not classes or not _is_own(use.value) or not any(_defines(one, name) for one in classes[0].body):
        raise CannotRename(f"`{ast.unparse(use)[:60]}` may mean this method or another one")
    if classes[0] is not owner:
        return None
    end = program.tree.span(use)[1]
    return Edit(end - len(name), end, request.new.name)


def _around(program: EditableProgram, node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes around a node, the innermost first."""
    parent = program.tree.parents.get(node)
    while parent is not None:
        yield parent
        parent = program.tree.parents.get(parent)


def _is_own(value: ast.expr) -> bool:
    """Say whether an expression is the object of a method, by the names that everybody uses: `self`, `cls`, `super()`."""
    match value:
        case ast.Name(id=name):
            return name in ("self", "cls")
        case ast.Call(func=ast.Name(id="super"), args=[]):
            return True
    return False


def _defines(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.FunctionDef(name=defined) | ast.AsyncFunctionDef(name=defined) | ast.ClassDef(name=defined):
            return defined == name
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Name) and target.id == name for target in targets)
        case ast.AnnAssign(target=ast.Name(id=defined)):
            return defined == name
    return False
