"""Asking a model for rewritings: prompts by ReCode's own template, several samples each, every reply kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from recode.migrate.propose.windows import Window
from recode.models.backends import Backend
from recode.models.completing import migration_prompt
from recode.models.sampling import Sampling
from recode.records import ApiUpdate, write_text
from recode.sandbox.environments import recode_home

SAMPLES = 4
TEMPERATURE = 0.8
MAX_TOKENS = 1024


def completions(
    backend: Backend, asked: Sequence[tuple[ApiUpdate, Window]], samples: int, sampling: Sampling,
    tell: Callable[[int], None] = lambda _: None, folder: Path | None = None,
) -> list[list[str]]:  # fmt: skip
    """Return `samples` completions for each window; the first time they are asked for, later from disk.

    Raises:
        RecodeError: the model cannot be had or does not answer; what was finished is kept.
    """
    folder = folder or recode_home() / "rewritings"
    prompts = [migration_prompt(update, window.program) for update, window in asked]
    settings = (
        f"{backend.fingerprint()} {sampling.temperature} {sampling.top_p} {sampling.max_new_tokens} {sampling.seed}"
    )
    files = [folder / f"{_digest(settings, prompt.key())}.json" for prompt in prompts]
    known: list[dict[int, str]] = [_read(path) for path in files]

    def keep(number: int, sample: int, text: str) -> None:
        known[number][sample] = text
        write_text(files[number], json.dumps({str(key): value for key, value in known[number].items()}))
        tell(sum(len(one) for one in known))

    backend.generate(prompts, samples, sampling, lambda number, sample: sample in known[number], keep)
    return [[one[sample] for sample in range(samples) if sample in one] for one in known]


def _digest(settings: str, prompt: str) -> str:
    return hashlib.sha256(f"{settings}\n{prompt}".encode("utf-8", "replace")).hexdigest()


def _read(path: Path) -> dict[int, str]:
    try:
        return {int(key): str(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        return {}
