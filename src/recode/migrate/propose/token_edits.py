"""A model's answer → exact edits of the document: only tokens that differ are exchanged, so comments and layout stay.

Where tokens alone do not give the answer's tree (lines came or went), the whole piece is exchanged.
"""

from __future__ import annotations

import ast
import difflib
import io
import textwrap
import tokenize
from dataclasses import dataclass

from recode.migrate.propose.windows import Window
from recode.migrate.rewrite.rejected import Rejected
from recode.migrate.source.edits import Edit, apply

_SKIPPED = {tokenize.ENCODING, tokenize.ENDMARKER, tokenize.NL, tokenize.COMMENT}
_LEANING = {",", ".", "(", "[", ")", "]", ":"}
"""Tokens that stand beside what is before them."""
_LAYOUT = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


@dataclass(frozen=True)
class Token:
    """A token by its text, and where it stands. Of line ends and indentation only the kind counts."""

    text: str
    start: int
    end: int
    layout: bool


def tokens_of(code: str) -> list[Token]:
    """Return the tokens that make a difference.

    Raises:
        Rejected: the tokenizer gives up.
    """
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    starts.append(starts[-1])
    found = []
    try:
        for one in tokenize.generate_tokens(io.StringIO(code).readline):
            if one.type in _SKIPPED:
                continue
            first = min(starts[one.start[0] - 1] + one.start[1], len(code))
            last = min(starts[one.end[0] - 1] + one.end[1], len(code))
            layout = one.type in _LAYOUT
            found.append(Token(tokenize.tok_name[one.type] if layout else one.string, first, last, layout))
    except (tokenize.TokenError, SyntaxError, ValueError, IndexError):
        raise Rejected("does not tokenize") from None
    return found


def comments_of(code: str) -> list[str]:
    """Return the comments of a text, sorted."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return []
    return sorted(one.string.strip() for one in tokens if one.type == tokenize.COMMENT)


def spliced(window: Window, answer: str, newline: str) -> list[Edit]:
    """Return the edits of the document that turn the window's code into the answer (which has no imports).

    Raises:
        Rejected: a comment would be lost, or the answer does not stand where the code stood.
    """
    wanted = _dump(answer)
    try:
        edits = _by_token(window.code, answer)
        if _dump(apply(window.code, edits)) == wanted:
            return [_placed(window, edit, newline) for edit in edits]
    except (Rejected, ValueError, SyntaxError):
        pass
    if window.code.endswith("\n    pass"):
        raise Rejected("changes more than the head of a block")
    kept, given = comments_of(window.code), comments_of(answer)
    if any(kept.count(one) > given.count(one) for one in kept):
        raise Rejected("loses a comment")
    return [_placed(window, Edit(0, len(window.code), answer.strip("\n")), newline)]


def _dump(code: str) -> str:
    return ast.dump(ast.parse(textwrap.dedent(code)))


def _by_token(old: str, new: str) -> list[Edit]:
    before, after = tokens_of(old), tokens_of(new)
    matcher = difflib.SequenceMatcher(None, [one.text for one in before], [one.text for one in after], autojunk=False)
    edits = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        if any(one.layout for one in (*before[a:b], *after[c:d])):
            raise Rejected("lines come or go")
        if tag == "replace":
            edits.append(Edit(before[a].start, before[b - 1].end, new[after[c].start : after[d - 1].end]))
        elif tag == "delete":
            start = before[a - 1].end if a else before[a].start
            end = before[b - 1].end if a else before[b].start
            edits.append(Edit(start, end, ""))
        elif a and (after[c].text in _LEANING or a == len(before)):
            edits.append(Edit(before[a - 1].end, before[a - 1].end, new[after[c - 1].end : after[d - 1].end]))
        else:
            following = after[d].start if d < len(after) else after[d - 1].end
            edits.append(Edit(before[a].start, before[a].start, new[after[c].start : following]))
    return edits


def _placed(window: Window, edit: Edit, newline: str) -> Edit:
    """Return an edit of the window's code as one of the document, its further lines indented as the code is."""
    text = edit.text.replace("\n", newline + window.indent)
    start = window.offset(edit.start)
    # The end of a line's text, not the beginning of the next line.
    end = window.offset(edit.end - 1) + 1 if edit.end > edit.start else start
    return Edit(start, end, text)
