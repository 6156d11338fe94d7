"""A model's answer → exact edits of the file. Only tokens that differ are replaced, so comments and layout stay.

If replacing tokens does not give the answer's tree, because lines were added or removed, the whole piece is replaced.
"""

from __future__ import annotations

import ast
import difflib
import io
import textwrap
import tokenize
from dataclasses import dataclass

from recode.migrate.propose.windows import Window
from recode.migrate.source.edits import Edit, apply
from recode.source import parse_quietly

_SKIPPED = {tokenize.ENCODING, tokenize.ENDMARKER, tokenize.NL, tokenize.COMMENT}
_LEANING = {",", ".", "(", "[", ")", "]", ":"}
"""Tokens that follow the one before them without a space."""
_LAYOUT = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


class AnswerRejected(Exception):
    """Why a model's answer is not taken; never reaches a user as an error."""


@dataclass(frozen=True)
class Token:
    """A token's text and its offsets. For line ends and indentation the text is the name of the token's kind."""

    text: str
    start: int
    end: int
    layout: bool


def tokens_of(code: str) -> list[Token]:
    """Return the tokens that matter: all but comments and blank lines.

    Raises:
        AnswerRejected: the tokenizer gives up.
    """
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    starts.append(starts[-1])
    tokens = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type in _SKIPPED:
                continue
            first = min(starts[token.start[0] - 1] + token.start[1], len(code))
            last = min(starts[token.end[0] - 1] + token.end[1], len(code))
            layout = token.type in _LAYOUT
            tokens.append(Token(tokenize.tok_name[token.type] if layout else token.string, first, last, layout))
    except (tokenize.TokenError, SyntaxError, ValueError, IndexError):
        raise AnswerRejected("does not tokenize") from None
    return tokens


def comments_of(code: str) -> list[str]:
    """Return the comments of a text, sorted."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return []
    return sorted(token.string.strip() for token in tokens if token.type == tokenize.COMMENT)


def edits_of_answer(window: Window, answer: str, newline: str) -> list[Edit]:
    """Return the edits of the file that turn the window's code into the answer, which has no imports.

    Raises:
        AnswerRejected: a comment would be lost, or more than the head of a block changes.
    """
    wanted = _dump(answer)
    try:
        edits = _by_token(window.code, answer)
        if _dump(apply(window.code, edits)) == wanted:
            return [_placed(window, edit, newline) for edit in edits]
    except (AnswerRejected, ValueError, SyntaxError):
        pass
    if window.code.endswith("\n    pass"):
        raise AnswerRejected("changes more than the head of a block")
    kept, given = comments_of(window.code), comments_of(answer)
    if any(kept.count(comment) > given.count(comment) for comment in kept):
        raise AnswerRejected("loses a comment")
    return [_placed(window, Edit(0, len(window.code), answer.strip("\n")), newline)]


def _dump(code: str) -> str:
    return ast.dump(parse_quietly(textwrap.dedent(code)))


def _by_token(old: str, new: str) -> list[Edit]:
    before, after = tokens_of(old), tokens_of(new)
    matcher = difflib.SequenceMatcher(
        None, [token.text for token in before], [token.text for token in after], autojunk=False
    )
    edits = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        if any(token.layout for token in (*before[a:b], *after[c:d])):
            raise AnswerRejected("lines are added or removed")
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
    """Return an edit of the window's code as an edit of the file, with its further lines indented like the code."""
    text = edit.text.replace("\n", newline + window.indent)
    start = window.offset(edit.start)
    # The end of a line's text, not the beginning of the next line.
    end = window.offset(edit.end - 1) + 1 if edit.end > edit.start else start
    return Edit(start, end, text)
