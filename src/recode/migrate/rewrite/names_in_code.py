"""Renaming names where they stand in code: attributes, methods, keywords, and paths of plain imports."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from recode.migrate.rewrite.import_lines import first_line, line_after
from recode.migrate.rewrite.methods import rename_method
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.rewrite.requests import RenameRequest
from recode.migrate.source.edits import Edit
from recode.migrate.source.tree import chain
from recode.symbol import Symbol

_CLOSING = re.compile(r"\s*\)")
_OPENING = re.compile(r"[ \t]*\(")


def rename_in_place(program: EditableProgram, request: RenameRequest) -> list[Edit]:
    """Return the edits that rename one place.

    Raises:
        CannotRename: it cannot be done safely.
    """
    node = request.place.node
    if isinstance(node, ast.keyword):
        return _keyword(program, node, request)
    if request.old.parameter:
        raise CannotRename("the argument is not given by keyword here")
    match node:
        case ast.ImportFrom():
            return [_module_path(program, node.module or "", request)]
        case ast.alias():
            return _plain_import(program, node, request)
        case ast.Name():
            return _bare_name(program, node, request)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return rename_method(program, node, request)
    return _attribute(program, node, request)


def _keyword(program: EditableProgram, node: ast.keyword, request: RenameRequest) -> list[Edit]:
    call = program.tree.parents[node]
    old, new = request.old.parameter, request.new.parameter
    if not old or node.arg != old or not isinstance(call, ast.Call | ast.ClassDef):
        raise CannotRename("this keyword is not the parameter of the update")
    if any(other.arg == new for other in call.keywords):
        raise CannotRename(f"`{new}` is given already")
    if any(other.arg is None for other in call.keywords):
        raise CannotRename("a `**` in the same call may give the new keyword already")
    return [Edit(request.place.start, request.place.end, new)]


def _bare_name(program: EditableProgram, node: ast.Name, request: RenameRequest) -> list[Edit]:
    """Rename a name that a star import brings; any other bare name belongs to an import that is handled elsewhere."""
    old, new = request.old, request.new
    starred = old.parent in program.scopes.stars and not program.scopes.of[node].resolve(node.id)
    if starred and old.parent == new.parent and new.name not in program.bound:
        return [Edit(request.place.start, request.place.end, new.name)]
    raise CannotRename(f"`{node.id}` is a local name whose import is not seen here")


def _module_path(program: EditableProgram, path: str, request: RenameRequest) -> Edit:
    """Rewrite the path of a moved module in an import, such as `old.path` in `from old.path.more import x`."""
    old, end = request.old.path, request.place.end
    start = end - len(old)
    if (path != old and not path.startswith(old + ".")) or program.tree.text[start:end] != old:
        raise CannotRename(f"the import does not spell out {old}")
    return Edit(start, end, request.new.path)


def _plain_import(program: EditableProgram, alias: ast.alias, request: RenameRequest) -> list[Edit]:
    edit = _module_path(program, alias.name, request)
    if alias.asname:
        return [edit]
    # Without `as`, every use spells the path out.
    root = request.old.path.partition(".")[0]
    bindings = [binding for binding in program.scopes.of[alias].resolve(root) if binding.alias is alias]
    if request.new.path.partition(".")[0] != root or not bindings:
        raise CannotRename("the uses of this import would have to change with it")
    uses = [
        Edit(*program.tree.span(node), request.new.path)
        for node in program.tree.nodes
        if isinstance(node, ast.Attribute) and program.full_name(node) == request.old.path
    ]
    return [edit, *uses]


def _attribute(program: EditableProgram, node: ast.Attribute, request: RenameRequest) -> list[Edit]:
    old, new, place = request.old, request.new, request.place
    if node.attr != old.name:
        raise CannotRename(f"`{node.attr}` is another name than {old.path}'s")
    if old.parent == new.parent:
        return [Edit(place.start, place.end, new.name)]
    if program.full_name(node) == old.path:
        text, imports = _reference(program, new, node)
        return [Edit(*program.tree.span(node), text), *imports]
    if new.path.startswith(old.parent + "."):
        # A method that moved below a namespace of the same object.
        return [Edit(place.start, place.end, new.path.removeprefix(old.parent + "."))]
    if old.of_class and not new.of_class:
        return _method_to_function(program, node, new)
    raise CannotRename(f"{new.path} is not reached through the same object")


def _method_to_function(program: EditableProgram, node: ast.Attribute, new: Symbol) -> list[Edit]:
    """Return the edits that turn a call of a method into a call of a function: `x.ptp(0)` becomes `np.ptp(x, 0)`."""
    tree = program.tree
    call = tree.parents[node]
    if not isinstance(call, ast.Call) or call.func is not node:
        raise CannotRename("the method is not called here")
    if any(isinstance(inner, ast.Attribute) and inner.attr == node.attr for inner in ast.walk(node.value)):
        raise CannotRename("the same method is called within the object it is called on")
    name_end = tree.span(node)[1]
    start, end = with_brackets(program, node.value, name_end - len(node.attr))
    opened = _OPENING.match(tree.text, name_end)
    if opened is None or re.sub(r"\s|\\", "", tree.text[end:name_end]) != f".{node.attr}":
        raise CannotRename("the call is written in an odd way")
    text, imports = _reference(program, new, node)
    separator = ", " if call.args or call.keywords else ""
    return [Edit(start, start, f"{text}("), Edit(end, opened.end(), separator), *imports]


def with_brackets(program: EditableProgram, node: ast.expr, before: int) -> tuple[int, int]:
    """Return the span of an expression with those brackets around it that close before an offset.

    Raises:
        CannotRename: something else, such as a comment, stands between a bracket and the expression.
    """
    text = program.tree.text
    start, end = program.tree.span(node)
    while (closing := _CLOSING.match(text, end, before)) is not None:
        opening = len(text[:start].rstrip()) - 1
        if text[opening : opening + 1] != "(":
            raise CannotRename("the call is written in an odd way")
        start, end = opening, closing.end()
    return start, end


# --- how to refer to a new name ---


@dataclass(frozen=True)
class NameReference:
    """How a program refers to a full name: an expression, and the import line that it needs first, if any.

    `beside` is the import statement that the line follows; None: it becomes the file's first line.
    """

    text: str
    line: str = ""
    beside: ast.AST | None = None

    def edits(self, program: EditableProgram) -> list[Edit]:
        """Return the edit that adds the import line."""
        if not self.line:
            return []
        if self.beside is None:
            return [first_line(program, self.line)]
        return [line_after(program, self.beside, self.line)]


def refer(program: EditableProgram, new: Symbol, at: ast.expr, module: str = "") -> NameReference:
    """Return how a program refers to a full name at a place, by what it imports already or by another import.

    Args:
        program: the program.
        new: the full name.
        at: the place.
        module: the module that holds the name; empty: as its path looks.

    Raises:
        CannotRename: there is no safe way.
    """
    root = chain(at)[0]
    candidates: list[tuple[int, str]] = []
    scope = program.scopes.of[at]
    while scope is not None:
        for name in scope.bindings:
            # What the old code refers to the library by is there; any other import must have run.
            needs_run = not (isinstance(root, ast.Name) and root.id == name)
            if (candidate := _by_name(program, name, new, at, needs_run)) is not None:
                candidates.append(candidate)
        scope = scope.parent  # type: ignore[assignment]
    if candidates:
        return NameReference(min(candidates)[1])
    return _imported(program, new, _import_beside(program, root, at, new), module)


def refer_by_module(program: EditableProgram, path: str, module: str, at: ast.expr) -> NameReference:
    """Return a name reached from its module, which is imported as a whole.

    Raises:
        CannotRename: the module's first name means something else.
    """
    if module.partition(".")[0] in program.bound:
        raise CannotRename(f"`{module.partition('.')[0]}` means something else in this file already")
    return NameReference(path, f"import {module}", _import_beside(program, chain(at)[0], at, Symbol(path)))


def _reference(program: EditableProgram, new: Symbol, at: ast.Attribute) -> tuple[str, list[Edit]]:
    """Return an expression for a full name at a place, and the edits that add the import it needs."""
    found = refer(program, new, at)
    return found.text, found.edits(program)


def _by_name(program: EditableProgram, name: str, new: Symbol, at: ast.AST, needs_run: bool) -> tuple[int, str] | None:
    """Return an expression for the new name that begins with a local name, preceded by its length in dots."""
    bindings = program.scopes.of[at].resolve(name)
    targets = {binding.target for binding in bindings}
    target = targets.pop() if len(targets) == 1 else ""
    if needs_run and not any(program.has_run(binding, at) for binding in bindings):
        return None
    if target and not target.startswith(".") and new.path.startswith(target + "."):
        rest = new.path.removeprefix(target + ".")
        if "." not in rest or program.reaches(target, rest):
            return rest.count("."), f"{name}.{rest}"
        return None
    return (-1, name) if target == new.path else None


def _import_beside(program: EditableProgram, root: ast.expr, at: ast.expr, new: Symbol) -> ast.AST | None:
    """Return the import to add another one after; None if the file has none above the place.

    That is the import of the old name, or else the last top-level import above the place. One within a `try` or a
    condition is not enough: it may not have run, and the program may work without the library.

    Raises:
        CannotRename: the library is imported within a `try` or a condition alone.
    """
    tree, scopes = program.tree, program.scopes
    bindings = scopes.of[root].resolve(root.id) if isinstance(root, ast.Name) else []
    imports = [binding for binding in bindings if binding.target]
    own = next((binding.node for binding in imports if program.has_run(binding, at)), None)
    if own is not None:
        return own
    library = new.path.partition(".")[0]
    of_library = [
        binding
        for bindings in scopes.module.bindings.values()
        for binding in bindings
        if binding.target.partition(".")[0] == library
    ]
    if (imports and isinstance(at, ast.Attribute) and program.full_name(at)) or (
        of_library and not any(map(program.always_runs, of_library))
    ):
        raise CannotRename("the library is imported within a `try` or a condition alone, so a further import may fail")
    start = tree.span(at)[0]
    above = [
        node
        for node in tree.module.body
        if isinstance(node, ast.Import | ast.ImportFrom) and tree.span(node)[1] < start
    ]
    return above[-1] if above else None


def _imported(program: EditableProgram, new: Symbol, beside: ast.AST | None, module: str = "") -> NameReference:
    """Return a name that is imported after another import or at the file's head."""
    if new.of_class and not module:
        raise CannotRename(f"{new.path} belongs to a class that is not imported here")
    module = module or new.parent
    text = new.path.removeprefix(module + ".")
    name = text.partition(".")[0]
    if name in program.bound:
        raise CannotRename(f"`{name}` means something else in this file already")
    return NameReference(text, f"from {module} import {name}", beside)
