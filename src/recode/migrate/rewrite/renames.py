"""Renames, moves and renamed keywords as exact edits by the position of each name; no model is needed.

An imported name is renamed together with all its uses. What cannot be done safely is refused, with the reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from recode.migrate.rewrite.imported_names import import_of, rename_imported
from recode.migrate.rewrite.names_in_code import rename_in_place
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.rewrite.requests import Renamed, RenameRefused, RenameRequest
from recode.migrate.source.scopes import Binding


def plan_renames(
    program: EditableProgram, requests: Sequence[RenameRequest], unchanged: Iterable[ast.AST] = ()
) -> list[Renamed | RenameRefused]:
    """Return the edits of each place, or why it is refused.

    Args:
        program: the program to edit.
        requests: the places and their new names.
        unchanged: names of the same updates that stay as they are. A use that is refused is treated like them.
    """
    staying = set(unchanged)
    outcomes: list[Renamed | RenameRefused] = []
    by_import: dict[ast.ImportFrom, list[tuple[RenameRequest, Binding]]] = {}
    for request in requests:
        try:
            binding = import_of(program, request)
            if binding is not None and isinstance(binding.node, ast.ImportFrom):
                by_import.setdefault(binding.node, []).append((request, binding))
            else:
                outcomes.append(Renamed((request,), (*rename_in_place(program, request), *request.argument_edits)))
        except CannotRename as refusal:
            staying.add(request.place.node)
            outcomes.append(RenameRefused(request, str(refusal)))
    for statement, pairs in by_import.items():
        requests_here = tuple(request for request, _ in pairs)
        try:
            arguments = [edit for request in requests_here for edit in request.argument_edits]
            edits = [*rename_imported(program, statement, pairs, staying), *arguments]
            outcomes.append(Renamed(requests_here, tuple(dict.fromkeys(edits))))
        except CannotRename as refusal:
            outcomes += [RenameRefused(request, str(refusal)) for request in requests_here]
    return outcomes
