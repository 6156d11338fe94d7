"""The progress term: the lift without a penalty for a failed attempt.

A model that mostly copies must first learn to attempt the edit. Most of its attempts fail by a slip somewhere in the program, and their
lift is often below that of a copy, so training on the lift teaches copying. Exact match does not say how close an attempt came.
"""

from __future__ import annotations

from recode.rewards import lift


def score(completion: str, target: str, old_code: str | None = None) -> float | None:
    """Return the share of the way from the old code to the gold that the answer covers, in [0, 1]; 0 if it leads away.

    Copying the old code scores 0, and so do answers that cannot be read. For a no-op only the gold scores. None as for
    `recode.rewards.lift`.
    """
    value = lift.score(completion, target, old_code)
    return None if value is None else max(0.0, value)
