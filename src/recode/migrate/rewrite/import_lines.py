"""Edits of import statements as lines: adding imports, taking names out, moving names to another module."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.source.edits import Edit

_REST_OF_LINE = re.compile(r"[^\r\n]*")
_FROM = re.compile(r"from[ \t]+([\w.]+)")


class MovedName(NamedTuple):
    """An imported name, the module that it is imported from now, and its new text, such as `isin as in1d`."""

    alias: ast.alias
    module: str
    text: str


def line_after(program: EditableProgram, statement: ast.AST, line: str) -> Edit:
    """Return the edit that adds a line after a statement, in its block.

    Raises:
        CannotRename: the statement shares its line with other code.
    """
    tree = program.tree
    end = tree.span(statement)[1]
    indent = _indent(program, statement)
    match = _REST_OF_LINE.match(tree.text, end)
    assert match is not None
    rest = match.group().strip()
    if indent.strip() or (rest and not rest.startswith("#")):
        raise CannotRename("the import shares its line with other code")
    return Edit(match.end(), match.end(), f"{program.newline}{indent}{line}")


def first_line(program: EditableProgram, line: str) -> Edit:
    """Return the edit that adds a line above the first statement after the docstring, for files without plain imports.

    Raises:
        CannotRename: that statement shares its line with other code.
    """
    tree, body = program.tree, program.tree.module.body
    rest = body[1:] if ast.get_docstring(tree.module, clean=False) is not None else body
    start = tree.span(rest[0])[0]
    if start != tree.starts[tree.line_of(start) - 1]:
        raise CannotRename("the first statement shares its line with other code")
    return Edit(start, start, f"{line}{program.newline}")


def change_imports(
    program: EditableProgram, lines: Sequence[str], beside: ast.AST | None, without: ast.alias | None = None
) -> list[Edit]:
    """Return the edits that add import lines and take one imported name out.

    Args:
        program: the program to edit.
        lines: import lines without line ends that the file does not have yet.
        beside: an import statement to add them after; None: the last one at the top level.
        without: a name of a `from` import that nothing uses any more.

    Raises:
        CannotRename: there is no place for them.
    """
    if without is not None:
        statement = program.tree.parents[without]
        assert isinstance(statement, ast.ImportFrom)
        return exchange_names(program, statement, {without}, lines)
    if not lines:
        return []
    if beside is None:
        body = program.tree.module.body
        beside = next((node for node in reversed(body) if isinstance(node, ast.Import | ast.ImportFrom)), None)
    if beside is None:
        raise CannotRename("the file has no imports to stand beside")
    return [_lines_after(program, beside, lines)]


def move_names(program: EditableProgram, statement: ast.ImportFrom, moved: Sequence[MovedName]) -> list[Edit]:
    """Return the edits that take names out of an import and import them from other modules.

    Raises:
        CannotRename: the statement's layout leaves no safe edit.
    """
    if not moved:
        return []
    tree = program.tree
    modules = list(dict.fromkeys(name.module for name in moved))
    aliases = {name.alias for name in moved}
    all_move = aliases == set(statement.names)
    if all_move and len(modules) == 1:
        match = _FROM.match(tree.text, tree.span(statement)[0])
        if match is None or match.group(1) != statement.module:
            raise CannotRename("the import is written over several lines before its names")
        path = Edit(match.start(1), match.end(1), modules[0])
        return [path, *(Edit(*tree.span(name.alias), name.text) for name in moved)]
    lines = [
        f"from {module} import " + ", ".join(name.text for name in moved if name.module == module) for module in modules
    ]
    if not all_move:
        added = _lines_after(program, statement, lines)
        return [*_take_out(program, statement.names, aliases), added]
    line_after(program, statement, "")  # Raises if the line holds other code.
    start, end = tree.span(statement)
    if "#" in tree.text[start:end]:
        raise CannotRename("a comment stands between the imported names")
    return [Edit(start, end, f"{program.newline}{_indent(program, statement)}".join(lines))]


def _lines_after(program: EditableProgram, statement: ast.AST, lines: Sequence[str]) -> Edit:
    edits = [line_after(program, statement, line) for line in lines]
    return Edit(edits[0].start, edits[0].end, "".join(edit.text for edit in edits))


def _indent(program: EditableProgram, statement: ast.AST) -> str:
    """Return what stands before a statement on its line."""
    tree = program.tree
    start = tree.span(statement)[0]
    return tree.text[tree.starts[tree.line_of(start) - 1] : start]


def exchange_names(
    program: EditableProgram,
    statement: ast.Import | ast.ImportFrom,
    without: Collection[ast.alias],
    lines: Sequence[str],
) -> list[Edit]:
    """Return the edits that take names out of an import and add other imports after it or in its place.

    Raises:
        CannotRename: the statement's layout leaves no safe edit.
    """
    tree = program.tree
    start, end = tree.span(statement)
    after = line_after(program, statement, "")
    if not without or len(without) < len(statement.names):
        added = [_lines_after(program, statement, lines)] if lines else []
        return [*(_take_out(program, statement.names, without) if without else []), *added]
    if lines:
        return [Edit(start, end, f"{program.newline}{_indent(program, statement)}".join(lines))]
    block = tree.parents[statement]
    if block is not tree.module and any(len(body) == 1 and body[0] is statement for body in _bodies(block)):
        return [Edit(start, end, "pass")]
    last = tree.line_of(end)
    following = tree.starts[last] if last < len(tree.starts) else len(tree.text)
    if after.start != end:
        raise CannotRename("a comment stands beside the import")
    return [Edit(tree.starts[tree.line_of(start) - 1], following, "")]


def _take_out(program: EditableProgram, names: list[ast.alias], removed: Collection[ast.alias]) -> list[Edit]:
    """Return the edits that delete some of the imported names, each with one comma; at least one name stays."""
    tree = program.tree
    spans = [tree.span(alias) for alias in names]
    last_kept = max(number for number, alias in enumerate(names) if alias not in removed)
    edits = []
    for number, alias in enumerate(names):
        if alias not in removed:
            continue
        before_kept = number < last_kept
        start, end = (
            (spans[number][0], spans[number + 1][0]) if before_kept else (spans[number - 1][1], spans[number][1])
        )
        if "#" in tree.text[start:end]:
            raise CannotRename("a comment stands between the imported names")
        edits.append(Edit(start, end, ""))
    return edits


def _bodies(node: ast.AST) -> list[list[ast.stmt]]:
    return [body for name in ("body", "orelse", "finalbody") if isinstance(body := getattr(node, name, None), list)]
