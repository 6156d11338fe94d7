"""The lift term: how far does the answer get from the old code to the gold program?

Copying the old code unchanged scores about 2.8 of 3 under format + ES*. Here it scores 0, and the gold 1.
"""

from __future__ import annotations

from recode.rewards.answer import MAX_CHARACTERS, answer, comparable, program, read
from recode.rewards.edit import similarity

WORST = -1.0


def score(completion: str, target: str, old_code: str | None = None) -> float | None:
    """Return the share of the way from the old code to the gold that the answer covers, in [-1, 1].

    -1 if the answer block does not have exactly one fence, or its program does not parse. None if the gold is not
    gradable, or there is no old code (or one longer than `MAX_CHARACTERS`). The old code need not parse; if it does not,
    the programs are compared by their cleaned texts instead of their normal forms.
    """
    gold = program(target)
    if gold is None or old_code is None or len(old_code) > MAX_CHARACTERS:
        return None
    out = answer(completion)
    if out is None:
        return WORST
    return 1.0 if out.same_as(gold) else lift(*comparable(out, gold, read(old_code)))


def lift(out: str, gold: str, old: str) -> float:
    """Return (s(out, gold) - s(old, gold)) / (1 - s(old, gold)), clipped to [-1, 1]; s is the similarity of two
    texts.

    If old and gold are equal (a no-op: the note does not concern the code) there is no distance to cover. Then the gold
    scores 1 and anything else s(out, gold) - 1, minus the share of the program that it altered.
    """
    if out == gold:
        return 1.0
    reached = similarity(out, gold)
    if old == gold:
        return reached - 1.0
    start = similarity(old, gold)
    return max(-1.0, min(1.0, (reached - start) / (1.0 - start)))
