"""The normal form of a program: its syntax tree, written out in one layout.

Programs that differ only in quotes, redundant parentheses, line breaks, trailing commas, the spelling of literals, comments or blank lines
have one syntax tree, and hence one normal form. The layout is that of `ast.unparse`, which may differ between Python versions, so normal
forms are compared with each other and never stored.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache

from recode.source import PARSE_ERRORS, parse_quietly

MAX_DEPTH = 90
"""Trees with more levels have no normal form: `ast.unparse` takes up to six frames a level and would reach Python's recursion limit."""

_CACHED_CHARACTERS = 2000
"""Longer pieces of a program are not cached, so that the cache stays below some 20 MB."""
_U_PREFIXES = ("u'", 'u"', "U'", 'U"')
_PIECE = re.compile(r"\n(?=[^\s#)\]}])(?!(?:else|elif|except|finally)\b)")
"""A line end before a line that may begin a top-level statement."""


def normal_form(code: str, longest: int) -> str | None:
    """Return the normal form of a program.

    Args:
        code: the program.
        longest: the most characters that a normal form may have; indentation and escapes can make it many times as long as the text.

    Returns:
        None if it would be longer, the tree has more than `MAX_DEPTH` levels, or Python cannot write the tree out.

    Raises:
        SyntaxError or another of `recode.source.PARSE_ERRORS`: the program does not parse.
    """
    try:
        written = [_cached(piece) if len(piece) <= _CACHED_CHARACTERS else _write(piece) for piece in _pieces(code)]
    except PARSE_ERRORS:
        written = [_write(code)]
    kept = [text for text in written if text]
    if None in written or sum(map(len, kept)) + len(kept) > longest + 1:
        return None
    return "\n".join(kept)


def same_tree(one: str, other: str) -> bool:
    """Return whether two programs that have a normal form have the same syntax tree, `u` prefixes aside."""
    return ast.dump(_parse(one)) == ast.dump(_parse(other))


def _pieces(code: str) -> list[str]:
    """Cut a program before lines that may begin a top-level statement.

    Programs of one task share most of their statements, so most pieces need not be parsed again. If every piece parses by itself, the
    program's statements are those of its pieces: a piece that ends inside a string or bracket does not parse, and neither does one that
    begins with a clause of the statement before. Only a continued line could be read in two ways.
    """
    code = code.replace("\r\n", "\n").replace("\r", "\n")
    # With a string of several lines, trying the pieces would seldom succeed.
    return [code] if "\\\n" in code or '"""' in code or "'''" in code else _PIECE.split(code)


def _write(code: str) -> str | None:
    """Return the top-level statements as `ast.unparse` writes them, or None if it cannot.

    Raises:
        SyntaxError or another of `recode.source.PARSE_ERRORS`: the text does not parse.
    """
    tree = _parse(code)
    # No level takes less than a character, apart from the few levels that every statement has.
    if len(code) > MAX_DEPTH - 10 and _is_deep(tree):
        return None
    try:
        return "\n".join(map(ast.unparse, tree.body))
    except (ValueError, RecursionError):
        # Integers with too many digits, and formatted strings that it finds no quotes for.
        return None


_cached = lru_cache(maxsize=4096)(_write)


def _parse(code: str) -> ast.Module:
    """Parse a program and drop the prefix `u` of its strings, which means nothing and which the tree remembers."""
    tree = parse_quietly(code)
    if any(prefix in code for prefix in _U_PREFIXES):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                node.kind = None
    return tree


def _is_deep(tree: ast.Module) -> bool:
    level: list[ast.AST] = [*tree.body]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return bool(level)
