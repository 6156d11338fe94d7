"""What generates completions for an evaluation: a local model, vLLM, or an endpoint. Each keeps what it has as it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from recode.models.prompting import Prompt
from recode.models.sampling import Sampling

Have = Callable[[int, int], bool]
"""`(prompt's number, sample's number)`: whether this completion is there from an earlier run."""
Keep = Callable[[int, int, str], None]
"""`(prompt's number, sample's number, completion)`: takes a finished completion; may be called from several threads."""


class Backend(Protocol):
    """A model that can be sampled."""

    name: str
    """What the user calls it."""

    def fingerprint(self) -> str:
        """Return a string that changes when the model does, as far as can be known."""
        ...

    def generate(self, prompts: Sequence[Prompt], samples: int, sampling: Sampling, have: Have, keep: Keep) -> None:
        """Complete each prompt `samples` times, leaving out what `have` says is there, and give each completion to `keep`.

        Raises:
            RecodeError: the model cannot be had, or does not answer; what was finished has been kept.
        """
        ...


def batches(prompts: Sequence[str], size: int) -> list[list[int]]:
    """Return the prompts' numbers in batches of like length: a batch lasts as long as its longest completion.

    They depend on all prompts, not on which completions are missing: a run that was killed draws what an undisturbed one draws.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def is_missing(numbers: Sequence[int], samples: int, have: Have) -> bool:
    """Say whether any completion of these prompts is not there yet."""
    return not all(have(number, sample) for number in numbers for sample in range(samples))
