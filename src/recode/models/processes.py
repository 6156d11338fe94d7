"""How many processes compute with a small model side by side: it leaves most of a second core idle."""

from __future__ import annotations

import torch

from recode.errors import RecodeError
from recode.machine import cores, memory


def sensible_processes(most: int, each: int) -> int:
    """Return as many as cores and memory allow, given the bytes that each needs, and `most` at most; 1 where there is a GPU, which one fills."""
    return 1 if torch.cuda.is_available() else max(1, min(most, cores(), memory() // each))


def ended_from_outside() -> RecodeError:
    """Return the error for a process of a pool that something else ended: the kernel does that where memory is full."""
    return RecodeError(
        "a process was ended from outside, often for want of memory; use fewer --jobs where the command has them, or free some memory. "
        "What is done is kept, and the same command goes on from there"
    )
