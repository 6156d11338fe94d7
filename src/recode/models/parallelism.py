"""How many processes should run a small model at the same time: one alone leaves most of a second core idle."""

from __future__ import annotations

import torch

from recode.machine import cores, memory


def sensible_processes(most: int, each: int) -> int:
    """Return how many processes the cores and the memory allow, between 1 and `most`, if each needs `each` bytes.

    With a GPU it is 1, since one process fills it.
    """
    return 1 if torch.cuda.is_available() else max(1, min(most, cores(), memory() // each))
