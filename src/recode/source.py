"""Facts about Python source text: whether it parses, and the text without comments and blank lines.

Lexical questions go to the standard library's tokenizer, because only a tokenizer can distinguish a comment from a `#`
inside a string. Programs in which every line can be read on its own take a faster path.
"""

from __future__ import annotations

import ast
import io
import re
import symtable
import sys
import threading
import token
import tokenize
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, overload

_FILE_NAME = "<recode source>"
"""The file name of all text parsed here. The interpreter attributes its warnings to it, so that a filter can name it."""

# The tokenizer names no file, so its warnings (since Python 3.12) can only be silenced for the whole process. Two threads
# that change the filters of `warnings` at once can leave them changed for good.
_TOKENIZING = threading.Lock()

# Up to Python 3.12 all threads share one counter of the depth to which a tree is built. A thread switch within `ast.parse`
# (a garbage collection that runs a finalizer is enough) makes it fail with a SystemError for a program that is fine.
_PARSING = threading.Lock()

PARSE_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, SystemError)
"""Everything the interpreter was seen to raise for text that is not a program."""

# Since Python 3.12 a formatted string arrives as many tokens between a start and an end; before, as one.
_STRING_STARTS = {getattr(token, name, -1) for name in ("FSTRING_START", "TSTRING_START")}
_STRING_ENDS = {getattr(token, name, -1) for name in ("FSTRING_END", "TSTRING_END")}
_BLANK = " \t\f"
_STRING_OR_MARK = re.compile(r"'[^']*'|\"[^\"]*\"|#")
_FORMATTED = re.compile(r"[fFtT][rR]?[\"']")


@overload
def parse_quietly(code: str, mode: Literal["exec"] = "exec") -> ast.Module: ...
@overload
def parse_quietly(code: str, mode: Literal["eval"]) -> ast.Expression: ...


def parse_quietly(code: str, mode: Literal["exec", "eval"] = "exec") -> ast.Module | ast.Expression:
    r"""Parse a program (or, with `mode="eval"`, an expression) without the interpreter's warnings about its text.

    Python warns of invalid escapes such as `"\d"` while it parses; under `-W error` that would be a syntax error. Safe to
    call from several threads: the warning filters are never replaced; one filter that names the parsed file is added.

    Raises:
        SyntaxError: the text is not a program of this Python.
        ValueError, RecursionError, MemoryError, OverflowError, SystemError: the interpreter gives up on it (NUL characters,
            lone surrogates, too deep nesting).
    """
    _ignore_warnings_of_parsed_text()
    with _PARSING:
        try:
            tree = ast.parse(code, _FILE_NAME, mode)
        except SystemError:  # Code of others may have parsed in between: see `_PARSING`.
            tree = ast.parse(code, _FILE_NAME, mode)
    assert isinstance(tree, ast.Module | ast.Expression)
    return tree


def parses(code: str) -> bool:
    """Say whether `code` is a syntactically valid Python program. Never raises and never warns.

    The empty program is valid. Text that the parser gives up on (NUL characters, lone surrogates, too deep nesting,
    integers beyond the interpreter's limit) is not.
    """
    try:
        _ignore_warnings_of_parsed_text()
        try:
            # A quarter faster than `ast.parse`, which hands the whole tree to Python. It refuses more: what a scope cannot hold.
            symtable.symtable(code, _FILE_NAME, "exec")
        except PARSE_ERRORS:
            parse_quietly(code)
    except PARSE_ERRORS:
        return False
    return True


def compiles(code: str) -> bool:
    """Say whether `code` compiles, with every statement in a place where it is allowed: a bare `return` parses but does not compile."""
    _ignore_warnings_of_parsed_text()
    try:
        compile(code, _FILE_NAME, "exec", dont_inherit=True)
    except PARSE_ERRORS:
        return False
    return True


def _ignore_warnings_of_parsed_text() -> None:
    """Make sure that the first warning filter is the one that ignores warnings about `_FILE_NAME`.

    Checked at every call because others change the filters too (`catch_warnings`, pytest). Adding the filter twice leaves
    one, so threads cannot disturb each other.
    """
    first = warnings.filters[0] if warnings.filters else None
    if first != _FILTER:
        warnings.filterwarnings("ignore", module=_FILTER[3].pattern)


_FILTER = ("ignore", None, Warning, re.compile(re.escape(_FILE_NAME)), 0)
"""The filter as `warnings.filters` holds it: action, message, category, module, line."""


def clean(code: str) -> str:
    r"""Return `code` without comments, blank lines and white space at line ends. Never raises.

    The syntax tree stays the same: strings are kept verbatim (with blank lines and `#` inside them, and everything inside a
    formatted string), and so is indentation. Line ends become `\n`, and there is none after the last line. Text that the
    tokenizer gives up on is cleaned up to that place and kept from there on. This is the cleaning of the paper's EM* and
    ES* (arXiv 2506.20495), made exact.
    """
    # The parser itself reads all three line ends as one, inside strings too.
    code = code.replace("\r\n", "\n").replace("\r", "\n")
    if code.endswith("\\\n"):
        # The parser accepts this end after a carriage return only, the tokenizer never; with a blank line both do.
        code += "\n"
    if _is_plain(code):
        return "\n".join(line for line in (_before_comment(line).rstrip(_BLANK) for line in code.split("\n")) if line)
    comments, inside, reached = _lexical(code)
    return _without(code.split("\n"), comments, inside, reached)


def _is_plain(code: str) -> bool:
    """Say whether every line of `code` can be read on its own: no string or continuation runs into the next line.

    Most programs are like that, and the tokenizer would take twice as long as the parser.
    """
    if "\\" in code or '"""' in code or "'''" in code:
        return False
    # Since Python 3.12 the braces of a formatted string may hold line ends and quotes of any kind.
    return sys.version_info < (3, 12) or _FORMATTED.search(code) is None


def _before_comment(line: str) -> str:
    """Cut the comment off a line of a plain program, where a string ends at the next quote of its kind."""
    if "#" in line:
        for part in _STRING_OR_MARK.finditer(line):
            if part.group() == "#":
                return line[: part.start()]
    return line


def _lexical(code: str) -> tuple[dict[int, int], set[int], int]:
    """Tokenize `code`; lines are counted from 1, columns from 0.

    Returns the column of each line's comment, the lines whose end lies inside a string, and the line that the
    tokenizer reached (past the last one where it read everything).
    """
    comments: dict[int, int] = {}
    inside: set[int] = set()
    starts: list[int] = []
    reached = 1
    try:
        with _quiet_tokenizer():
            for kind, _, (row, column), (end_row, _), _ in tokenize.generate_tokens(io.StringIO(code).readline):
                reached = max(reached, end_row)
                if kind in _STRING_STARTS:
                    starts.append(row)
                elif kind in _STRING_ENDS and starts:
                    inside.update(range(starts.pop(), end_row))
                elif kind == token.COMMENT and not starts:
                    comments[row] = column
                elif end_row > row and kind == token.STRING:
                    inside.update(range(row, end_row))
    except (tokenize.TokenError, *PARSE_ERRORS):
        return comments, inside, starts[0] if starts else reached
    return comments, inside, code.count("\n") + 2


@contextmanager
def _quiet_tokenizer() -> Iterator[None]:
    """Silence the tokenizer; before Python 3.12 it is written in Python and warns of nothing."""
    if sys.version_info < (3, 12):
        yield
        return
    with _TOKENIZING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _without(lines: list[str], comments: dict[int, int], inside: set[int], reached: int) -> str:
    r"""Drop comments and blank lines before the line `reached`; keep the lines that end inside a string as they are.

    A continuation (`\` at the line's end) into a blank or comment line continues nothing: it is dropped together with that
    line.
    """
    kept: list[str] = []
    continued: list[bool] = []  # For each kept line: does a `\` outside strings and comments end it?
    for number, line in enumerate(lines, start=1):
        if number in inside or number >= reached:
            kept.append(line)
            continued.append(False)
            continue
        text = line[: comments.get(number)].rstrip(_BLANK)
        while not text and continued and continued[-1]:
            text = kept.pop()[:-1].rstrip(_BLANK)
            continued.pop()
        if text:
            kept.append(text)
            continued.append(text.endswith("\\") and number not in comments)
    return "\n".join(kept)
