"""The edit term, the paper's ES*: how much of the answer must be edited to get the gold program?"""

from __future__ import annotations

from rapidfuzz.distance import Levenshtein

from recode.rewards.answer import answer, comparable, program

UNREADABLE = -2.0


def score(completion: str, target: str, old_code: str | None = None) -> float | None:
    """Return 3.5 * similarity - 1.5 of the normal forms of answer and gold, in [-1.5, 2] (arXiv 2506.20495, ES*).

    -2 if the answer block does not have exactly one fence, or its program does not parse. None if the gold is not
    gradable. Copying the old code unchanged scores high, since most of the code is the same: see `recode.rewards.copy_baseline`.
    """
    gold = program(target)
    if gold is None:
        return None
    out = answer(completion)
    if out is None:
        return UNREADABLE
    return scaled(1.0 if out.same_as(gold) else similarity(*comparable(out, gold)))


def similarity(one: str, other: str) -> float:
    """Return 1 - Levenshtein distance / length of the longer text: 0 to 1, and 1 for two empty texts."""
    longest = max(len(one), len(other))
    return 1.0 - Levenshtein.distance(one, other) / longest if longest else 1.0


def scaled(value: float) -> float:
    """Map a similarity in [0, 1] to the range of ES*, [-1.5, 2]."""
    return 3.5 * value - 1.5
