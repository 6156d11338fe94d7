"""The interface of what generates completions: a local model, vLLM, or an endpoint. Each completion is kept as soon as it is finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from recode.models.prompting import Prompt
from recode.models.sampling import Sampling

Have = Callable[[int, int], bool]
"""Takes the number of a prompt and of a sample; says whether an earlier run left this completion."""
Keep = Callable[[int, int, str], None]
"""Takes the number of a prompt, of a sample, and the finished completion. May be called from several threads."""


class Backend(Protocol):
    """A model that can be sampled."""

    name: str
    """What the user calls it."""

    def fingerprint(self) -> str:
        """Return a string that changes when the model does, if a change can be detected."""
        ...

    def generate(self, prompts: Sequence[Prompt], samples: int, sampling: Sampling, have: Have, keep: Keep) -> None:
        """Complete each prompt `samples` times and pass each completion to `keep`; skip those that `have` reports.

        Raises:
            RecodeError: the model cannot be loaded or does not answer. Finished completions have been kept.
        """
        ...


def batches(prompts: Sequence[str], size: int) -> list[list[int]]:
    """Return the numbers of the prompts in batches of similar length, because a batch takes as long as its longest completion.

    The batches depend on all prompts and not on which completions are missing, so a resumed run samples what an undisturbed one samples.
    """
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def is_missing(numbers: Sequence[int], samples: int, have: Have) -> bool:
    """Say whether any completion of these prompts is missing."""
    return not all(have(number, sample) for number in numbers for sample in range(samples))
