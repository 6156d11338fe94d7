"""How many processes compute with a small model side by side: it leaves most of a second core idle."""

from __future__ import annotations

import torch

from recode.machine import cores, memory


def sensible_processes(most: int, each: int) -> int:
    """Return as many as cores and memory allow, given the bytes that each needs, and `most` at most; 1 where there is a GPU, which one fills."""
    return 1 if torch.cuda.is_available() else max(1, min(most, cores(), memory() // each))
