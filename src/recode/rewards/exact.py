"""The exact term, the paper's EM*: is the answer the gold program, apart from comments and blank lines?"""

from __future__ import annotations

from recode.rewards.answer import answer, program

EQUAL, DIFFERENT, UNREADABLE = 2.0, -1.5, -2.0


def score(completion: str, target: str, old_code: str | None = None) -> float | None:
    """Return +2 if answer and gold are equal after cleaning, otherwise -1.5 (arXiv 2506.20495, EM*).

    -2 if the answer block does not have exactly one fence, or its program does not parse. None if the gold is not
    gradable. Equal after cleaning implies equal syntax trees.
    """
    gold = program(target)
    if gold is None:
        return None
    out = answer(completion)
    if out is None:
        return UNREADABLE
    return EQUAL if out == gold else DIFFERENT
