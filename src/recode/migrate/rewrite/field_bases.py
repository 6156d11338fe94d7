"""Classes that say by a field what another base class says now: `__root__: T` in a model of pydantic 1 is `RootModel` in pydantic 2.

The base, the field, and what reads it belong together: all of them change in a file, or none. Which fields these are is data
(`bases` in `hints.toml`).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from recode.knowledge.hints import merged_hints
from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.names_in_code import refer
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.source.edits import Edit
from recode.migrate.source.tree import Place
from recode.symbol import Symbol


def new_base(finding: Finding) -> tuple[Symbol, str] | None:
    """Return the base class that a declared field stands for now, and the field's name there; None for any other finding."""
    found = merged_hints({finding.update.library}).bases.get(finding.update.old_symbol.path)
    return (Symbol(found[0]), found[1]) if found else None


def field_base_edits(
    program: EditableProgram, places: Mapping[Finding, Place], findings: Sequence[Finding]
) -> list[Edit]:
    """Return the edits that give the classes of some findings, all about one field, their new base.

    Raises:
        CannotRename: one of them cannot be done safely.
    """
    found = new_base(findings[0])
    assert found is not None
    old, (base, name) = findings[0].update.old_symbol, found
    if old.name in program.quoted:
        raise CannotRename(f"`{old.name}` also stands in a string")
    edits: list[Edit] = []
    for finding in findings:
        place = places.get(finding)
        owner = _owner(program, place.node) if place is not None else None
        if owner is not None:
            edits += _of_class(program, owner, old, base, name)
    if not edits:
        raise CannotRename(f"`{old.name}` is no field of a class here")
    for node in program.tree.nodes:
        edits += _use(program, node, old.name, name)
    return list(dict.fromkeys(edits))


def _owner(program: EditableProgram, field: ast.AST) -> ast.ClassDef | None:
    """Return the class that declares a field."""
    statement = program.tree.parents.get(field)
    owner = program.tree.parents.get(statement) if isinstance(statement, ast.AnnAssign | ast.Assign) else None
    return owner if isinstance(owner, ast.ClassDef) else None


def _of_class(program: EditableProgram, owner: ast.ClassDef, old: Symbol, base: Symbol, name: str) -> list[Edit]:
    tree = program.tree
    if len(owner.bases) != 1 or _path(program, owner.bases[0]) != old.parent:
        raise CannotRename(f"`{owner.name}` has other bases than {old.parent}")
    fields = [one.target for one in owner.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
    others = [one.id for one in fields if one.id != old.name and not _is_class_variable(program, one)]
    if others or len(fields) == 0:
        raise CannotRename(f"`{owner.name}` has further fields, or its field has no annotation")
    if any(isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == name for one in owner.body):
        raise CannotRename(f"`{owner.name}` has a `{name}` already")
    reference = refer(program, base, owner.bases[0])
    spans = [tree.span(one) for one in fields if one.id == old.name]
    return [
        Edit(*tree.span(owner.bases[0]), reference.text), *reference.edits(program),
        *(Edit(start, end, name) for start, end in spans),
    ]  # fmt: skip


def _use(program: EditableProgram, node: ast.AST, old: str, new: str) -> list[Edit]:
    """Return the edit of a node that reads the field, or gives it by keyword. No other object has a field of such a name."""
    start, end = program.tree.span(node) if isinstance(node, ast.Attribute | ast.keyword) else (0, 0)
    if isinstance(node, ast.Attribute) and node.attr == old:
        return [Edit(end - len(old), end, new)]
    if isinstance(node, ast.keyword) and node.arg == old:
        return [Edit(start, start + len(old), new)]
    return []


def _path(program: EditableProgram, node: ast.expr) -> str:
    """Return the full name that an expression stands for; empty if it is not imported."""
    if isinstance(node, ast.Attribute):
        return program.full_name(node)
    targets = {one.target for one in program.scopes.of[node].resolve(node.id)} if isinstance(node, ast.Name) else set()
    return targets.pop() if len(targets) == 1 else ""


def _is_class_variable(program: EditableProgram, field: ast.Name) -> bool:
    statement = program.tree.parents[field]
    annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
    while isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    last = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", "")
    return (field.id.startswith("_") and not field.id.startswith("__")) or last == "ClassVar"
