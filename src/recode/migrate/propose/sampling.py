"""Asking a model for rewritings: several samples for each prompt, every reply stored on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from recode.models.backends import Backend
from recode.models.prompting import Prompt
from recode.models.sampling import Sampling
from recode.records import write_text
from recode.sandbox.environments import recode_home

TEMPERATURE = 0.8
MAX_TOKENS = 1024


def completions(
    backend: Backend,
    prompts: Sequence[Prompt],
    samples: int,
    sampling: Sampling,
    on_progress: Callable[[int], None] = lambda _: None,
    folder: Path | None = None,
) -> list[list[str]]:
    """Return `samples` completions for each prompt; those that were sampled before are read from disk.

    Args:
        backend: the model.
        prompts: what is asked.
        samples: completions of each.
        sampling: temperature, length and seed.
        on_progress: called with the number of samples that exist.
        folder: where replies are stored (default: `rewritings` in ReCode's home).

    Raises:
        RecodeError: the model cannot be loaded or does not answer; finished replies stay on disk.
    """
    folder = folder or recode_home() / "rewritings"
    settings = (
        f"{backend.fingerprint()} {sampling.temperature} {sampling.top_p} {sampling.max_new_tokens} {sampling.seed}"
    )
    files = [folder / f"{_digest(settings, prompt.key())}.json" for prompt in prompts]
    known: list[dict[int, str]] = [_read(path) for path in files]

    def keep(number: int, sample: int, text: str) -> None:
        known[number][sample] = text
        write_text(files[number], json.dumps({str(key): value for key, value in known[number].items()}))
        on_progress(sum(len(replies) for replies in known))

    backend.generate(prompts, samples, sampling, lambda number, sample: sample in known[number], keep)
    return [[replies[sample] for sample in range(samples) if sample in replies] for replies in known]


def _digest(settings: str, prompt: str) -> str:
    return hashlib.sha256(f"{settings}\n{prompt}".encode("utf-8", "replace")).hexdigest()


def _read(path: Path) -> dict[int, str]:
    try:
        return {int(key): str(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        return {}
