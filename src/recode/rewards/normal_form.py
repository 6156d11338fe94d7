"""The normal form of a program: its syntax tree, written out in one layout.

Programs that differ only in quotes, redundant parentheses, line breaks, trailing commas, the spelling of literals, comments or blank lines
have one syntax tree, and hence one normal form. The layout is that of `ast.unparse`, which may differ between Python versions, so normal
forms are compared with each other and never stored.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from recode.source import parse_quietly

MAX_DEPTH = 90
"""Trees with more levels have no normal form: `ast.unparse` takes up to seven frames a level and would reach Python's recursion limit."""

_ERRORS = (ValueError, RecursionError)
"""What `ast.unparse` raises: for integers with too many digits, and for formatted strings that it finds no quotes for."""
_U_PREFIX = re.compile(r"\b[uU]['\"]")

# Programs of one task share most of their statements, and writing out a tree takes as long as parsing it. What a statement's tree is depends
# on its own lines alone. The bounds keep the cache below some 20 MB.
_WRITTEN: dict[str, str] = {}
_CACHED_STATEMENTS = 4096
_CACHED_CHARACTERS = 2000


def normal_form(tree: ast.Module, code: str, longest: int) -> str | None:
    r"""Return the normal form of a program.

    Args:
        tree: the parsed program. Its `u` prefixes are dropped in place.
        code: the text that it was parsed from, with `\n` as its line ends.
        longest: the most characters that a normal form may have; indentation and escapes can make it many times as long as the text.

    Returns:
        None if it would be too long, the tree has more than `MAX_DEPTH` levels, or Python cannot write the tree out. Never raises.
    """
    if _U_PREFIX.search(code):
        _drop_u_prefixes(tree)
    statements: list[str] = []
    room = longest + 1
    try:
        for statement, lines in _statements(tree, code):
            written = _write(statement, lines)
            room -= len(written) + 1
            if room < 0:
                return None
            statements.append(written)
    except _ERRORS:
        return None
    return "\n".join(statements)


def same_tree(one: str, other: str) -> bool:
    """Return whether two programs that have a normal form have the same syntax tree, `u` prefixes aside."""
    trees = [parse_quietly(code) for code in (one, other)]
    for tree in trees:
        _drop_u_prefixes(tree)
    return ast.dump(trees[0]) == ast.dump(trees[1])


def _drop_u_prefixes(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.kind = None


def _statements(tree: ast.Module, code: str) -> Iterator[tuple[ast.stmt, str | None]]:
    """Return an iterator over the top-level statements, each with its lines; None for one that shares a line with another."""
    lines = code.split("\n")
    starts = [_first_line(statement) for statement in tree.body]
    ends = [statement.end_lineno or 0 for statement in tree.body]
    before, after = [0, *ends], [*starts[1:], len(lines) + 1]
    for number, statement in enumerate(tree.body):
        start, end = starts[number], ends[number]
        alone = before[number] < start and end < after[number]
        yield statement, "\n".join(lines[start - 1 : end]) if alone else None


def _first_line(statement: ast.stmt) -> int:
    """Return the line that a statement begins on, which is that of its first decorator if it has any."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _write(statement: ast.stmt, lines: str | None) -> str:
    """Write out a statement, or look it up by its lines.

    Raises:
        ValueError, RecursionError: it cannot be written.
    """
    if lines is None or len(lines) > _CACHED_CHARACTERS:
        return _unparse(statement, MAX_DEPTH)
    written = _WRITTEN.get(lines)
    if written is None:
        # No level of a tree takes less than a character, apart from the few levels that every statement has.
        written = _unparse(statement, MAX_DEPTH if len(lines) > MAX_DEPTH - 10 else None)
        if len(_WRITTEN) >= _CACHED_STATEMENTS:
            _WRITTEN.clear()
        _WRITTEN[lines] = written
    return written


def _unparse(statement: ast.stmt, deepest: int | None) -> str:
    level: list[ast.AST] = [statement]
    depth = 0
    while deepest is not None and level:
        depth += 1
        if depth > deepest:
            raise RecursionError(f"a statement has more than {deepest} levels")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return ast.unparse(statement)
