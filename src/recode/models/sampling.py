"""How tokens are chosen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens. Temperature 0 is greedy; `seed` fixes all random draws."""

    max_new_tokens: int = 320
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
