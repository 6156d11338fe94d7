"""Models in this process: with the small decoder if it supports the model, otherwise with transformers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recode.errors import RecodeError
from recode.models.backends import Have, Keep, batches, is_missing
from recode.models.completing import complete
from recode.models.loading import load, resolve
from recode.models.prompting import Prompt, render_prompt
from recode.models.sampling import Sampling

_TOGETHER = 64
_READ_WHOLE = 64 << 20
_BLOCK, _BLOCKS = 1 << 20, 32


class LocalBackend:
    """A model folder, a hub name, an adapter's folder or an embedded model. It is loaded when it is first needed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._loaded: tuple[Any, Any] | None = None

    def fingerprint(self) -> str:
        """Return a digest of the folder's weights and settings, or the hub name with its commit."""
        return model_fingerprint(self.name)

    def load(self) -> tuple[Any, Any]:
        """Return the model, on the GPU if there is one, and its tokenizer."""
        if self._loaded is None:
            import torch

            gpu = torch.cuda.is_available()
            model, tokenizer = load(self.name, dtype="bfloat16" if gpu else "float32")
            self._loaded = (model.to("cuda") if gpu else model, tokenizer)
        return self._loaded

    def generate(self, prompts: Sequence[Prompt], samples: int, sampling: Sampling, have: Have, keep: Keep) -> None:
        """Complete the prompts batch by batch. If a completion of a batch is missing, the whole batch is sampled again."""
        if not is_missing(range(len(prompts)), samples, have):
            return
        model, tokenizer = self.load()
        texts = [render_prompt(tokenizer, prompt) for prompt in prompts]
        for numbers in batches(texts, _TOGETHER):
            if not is_missing(numbers, samples, have):
                continue
            groups = complete(model, tokenizer, [texts[number] for number in numbers], samples, sampling)
            for number, group in zip(numbers, groups, strict=True):
                for sample, text in enumerate(group):
                    if not have(number, sample):
                        keep(number, sample, text)


def model_fingerprint(name: str) -> str:
    """Return a digest of a model folder's files, or a hub name with the commit in the cache.

    Of a file above 64 MiB only the size and 32 blocks spread over it are read, because training changes weights everywhere.

    Raises:
        RecodeError: there is no such model, or the hub cannot be reached.
    """
    source = resolve(name)
    folder = Path(source)
    if not folder.is_dir():
        from transformers.utils.hub import cached_file

        try:
            config = str(cached_file(source, "config.json", _raise_exceptions_for_missing_entries=False) or "")
        except (OSError, ValueError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise RecodeError(f"{name}: cannot be looked up: {reason}") from None
        commit = re.search(r"snapshots/([0-9a-f]{40})/", config)
        return f"{source}@{commit.group(1)}" if commit else source
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin", ".model", ".jinja", ".txt") and path.is_file():
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            _read_into(digest, path)
    return digest.hexdigest()


def _read_into(digest: Any, path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _READ_WHOLE:
            digest.update(file.read())
            return
        for block in range(_BLOCKS):
            file.seek((size - _BLOCK) * block // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
