"""What we know about Python source text: whether it parses, and what remains of it without comments and blank lines.

Lexical questions are put to the standard library's tokenizer: only it tells a comment from a `#` inside a string.
Programs in which every line can be read by itself take a short cut.
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

# The filters of `warnings` belong to the whole process: two threads that change them at once leave them changed for
# good.
_PARSING = threading.Lock()

_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, SystemError)
"""All that the interpreter was seen to raise for text that is no program."""

# Since Python 3.12 a formatted string comes as many tokens, between a start and an end; before, as one.
_STRING_STARTS = {getattr(token, name, -1) for name in ("FSTRING_START", "TSTRING_START")}
_STRING_ENDS = {getattr(token, name, -1) for name in ("FSTRING_END", "TSTRING_END")}
_BLANK = " \t\f"
_STRING_OR_MARK = re.compile(r"'[^']*'|\"[^\"]*\"|#")
_FORMATTED = re.compile(r"[fFtT][rR]?[\"']")


def parses(code: str) -> bool:
    """Say whether `code` is a syntactically valid Python program. Never raises and never warns.

    The empty program is valid. Text that the parser gives up on (null bytes, lone surrogates, too deep nesting,
    integers beyond the interpreter's limit) is not.
    """
    try:
        with _quietly():
            try:
                # A quarter quicker than `ast.parse`, which hands the whole tree to Python. It refuses more: what a scope cannot hold.
                symtable.symtable(code, "<code>", "exec")
            except _ERRORS:
                ast.parse(code)
    except _ERRORS:
        return False
    return True


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence the interpreter's remarks on source text; under `-W error` they would turn into syntax errors."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def clean(code: str) -> str:
    r"""Return `code` without comments, blank lines and white space at line ends. Never raises.

    The syntax tree stays the same: strings are kept to the letter (blank lines and `#` inside them too, and everything
    inside a formatted string), and so is indentation. Line ends become `\n`, and there is none after the last line.
    Text that the tokenizer gives up on is cleaned up to that place and kept from there on. This is the cleaning of the
    paper's EM* and ES* (arXiv 2506.20495), made exact.
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
    """Say whether every line of `code` can be read by itself: no string and no continuation goes on in the next one.

    Most programs are so, and the tokenizer would take twice as long as the parser.
    """
    if "\\" in code or '"""' in code or "'''" in code:
        return False
    # Since Python 3.12 the braces of a formatted string may hold line ends and quotes, whatever its own quotes.
    return sys.version_info < (3, 12) or _FORMATTED.search(code) is None


def _before_comment(line: str) -> str:
    """Cut the comment off a line of a plain program, where a string is all from one quote to the next of its kind."""
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
        with _quietly():
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
    except (tokenize.TokenError, *_ERRORS):
        return comments, inside, starts[0] if starts else reached
    return comments, inside, code.count("\n") + 2


def _without(lines: list[str], comments: dict[int, int], inside: set[int], reached: int) -> str:
    r"""Drop comments and blank lines before the line `reached`; keep the lines that end inside a string as they are.

    A continuation (`\` at the line's end) into a blank or comment line continues nothing: it goes together with that
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
