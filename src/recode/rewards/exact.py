"""The exact term, EM* of the paper: is the answer the gold program, comments and blank lines aside?"""

from __future__ import annotations

from recode.rewards.answer import answer, program

EQUAL, DIFFERENT, UNREADABLE = 2.0, -1.5, -2.0


def score(completion: str, target: str, old_code: str | None = None) -> float | None:
    """Return +2 where answer and gold are equal after cleaning, else -1.5 (arXiv 2506.20495, EM*).

    -2 where the answer block has not exactly one fence or its program does not parse. None where the gold is not
    gradable. Equal after cleaning implies equal syntax trees.
    """
    gold = program(target)
    if gold is None:
        return None
    out = answer(completion)
    if out is None:
        return UNREADABLE
    return EQUAL if out == gold else DIFFERENT
