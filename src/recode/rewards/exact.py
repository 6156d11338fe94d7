"""The exact term, the paper's EM* by tree: is the answer the gold program, whatever its layout?"""

from __future__ import annotations

from recode.rewards.answer import answer, program

EQUAL, DIFFERENT, UNREADABLE = 2.0, -1.5, -2.0


def score(completion: str, target: str, old_code: str | None = None) -> float | None:
    """Return +2 if answer and gold have the same syntax tree, otherwise -1.5 (the values of EM*, arXiv 2506.20495).

    The tree holds neither layout nor comments, and literals by type and value: other quotes, parentheses, line breaks,
    trailing commas and `1.` for `1.0` are exact; another docstring, `1` for `1.0` and another order of keyword
    arguments or imports are not. -2 if the answer block does not have exactly one fence, or its program does not
    parse. None if the gold is not gradable.
    """
    gold = program(target)
    if gold is None:
        return None
    out = answer(completion)
    if out is None:
        return UNREADABLE
    return EQUAL if out.same_as(gold) else DIFFERENT
