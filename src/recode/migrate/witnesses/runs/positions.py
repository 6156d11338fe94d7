"""Where the expressions of a changed file were in the text before the change."""

from __future__ import annotations

import ast
import difflib
import io
import tokenize

from recode.migrate.prove.spans import Spot

_Place = tuple[int, int]
"""Line from 1, and column in bytes from 0."""


def moved_spots(old: bytes, new: bytes) -> list[tuple[Spot, Spot]]:
    """Return, for expressions and statements of a new text whose place differs, the new and the old place.

    The texts are compared by tokens. An expression corresponds to what lay between the places of its ends in the old text, so one that
    contains a rewriting corresponds to the one before it. What has no such place keeps its own.

    Raises:
        SyntaxError: one of the texts does not parse.
    """
    begins, ends = _corresponding(_tokens(old), _tokens(new))
    found = []
    for node in ast.walk(ast.parse(new)):
        if (
            not isinstance(node, ast.expr | ast.stmt | ast.alias)
            or node.end_lineno is None
            or node.end_col_offset is None
        ):
            continue
        start, end = begins.get((node.lineno, node.col_offset)), ends.get((node.end_lineno, node.end_col_offset))
        spot = node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
        if start is not None and end is not None and start < end:
            old_spot = (*start, *end)
            if old_spot != spot:
                found.append((spot, old_spot))
    return found


def _tokens(text: bytes) -> list[tuple[str, _Place, _Place]]:
    lines = text.decode("utf-8", "replace").splitlines(keepends=True)

    def in_bytes(place: _Place) -> _Place:
        return place[0], len(lines[place[0] - 1][: place[1]].encode()) if place[0] <= len(lines) else 0

    try:
        tokens = list(tokenize.tokenize(io.BytesIO(text).readline))
    except tokenize.TokenError as error:
        raise SyntaxError(str(error)) from None
    return [
        (token.string, in_bytes(token.start), in_bytes(token.end))
        for token in tokens
        if token.string.strip() and token.type not in (tokenize.COMMENT, tokenize.ENCODING)
    ]


def _corresponding(
    old: list[tuple[str, _Place, _Place]], new: list[tuple[str, _Place, _Place]]
) -> tuple[dict[_Place, _Place], dict[_Place, _Place]]:
    """Return the old places of where tokens of the new text begin and end."""
    begins: dict[_Place, _Place] = {}
    ends: dict[_Place, _Place] = {}
    matcher = difflib.SequenceMatcher(None, [one[0] for one in old], [one[0] for one in new], autojunk=False)
    for _, first, last, new_first, new_last in matcher.get_opcodes():
        if last - first == new_last - new_first:
            for before, after in zip(old[first:last], new[new_first:new_last], strict=True):
                begins[after[1]], ends[after[2]] = before[1], before[2]
        elif last > first and new_last > new_first:
            begins[new[new_first][1]], ends[new[new_last - 1][2]] = old[first][1], old[last - 1][2]
    return begins, ends
