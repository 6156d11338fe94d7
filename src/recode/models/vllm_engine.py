"""Models run by vLLM: the backend for GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recode.errors import MissingExtraError, RecodeError
from recode.models.backends import Have, Keep, is_missing
from recode.models.loading import resolve
from recode.models.local import model_fingerprint
from recode.models.prompting import Prompt, render_prompt
from recode.models.sampling import Sampling

_TOGETHER = 256


class VllmBackend:
    """A model folder or hub name, run by vLLM, which schedules the prompts of a batch itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._engine: Any = None

    def fingerprint(self) -> str:
        """Return a digest of the folder's weights and settings, or the hub name with its commit."""
        return model_fingerprint(self.name)

    def generate(self, prompts: Sequence[Prompt], samples: int, sampling: Sampling, have: Have, keep: Keep) -> None:
        """Complete the prompts. Every sample has its own seed, so the batches do not change the result."""
        if not is_missing(range(len(prompts)), samples, have):
            return
        engine = self._start()
        from vllm import SamplingParams

        tokenizer = engine.get_tokenizer()
        chosen = SamplingParams(
            n=1 if sampling.temperature == 0 else samples, temperature=sampling.temperature, top_p=sampling.top_p,
            max_tokens=sampling.max_new_tokens, seed=sampling.seed,
        )  # fmt: skip
        for start in range(0, len(prompts), _TOGETHER):
            numbers = [n for n in range(start, min(start + _TOGETHER, len(prompts))) if is_missing([n], samples, have)]
            if not numbers:
                continue
            texts = [render_prompt(tokenizer, prompts[number]) for number in numbers]
            # As token ids, so that the begin token of the template is not added twice.
            requests = [{"prompt_token_ids": tokenizer.encode(text, add_special_tokens=False)} for text in texts]
            for number, request_output in zip(numbers, engine.generate(requests, chosen, use_tqdm=False), strict=True):
                drawn = [output.text for output in request_output.outputs]
                for sample in range(samples):
                    keep(number, sample, drawn[sample % len(drawn)])

    def _start(self) -> Any:
        if self._engine is None:
            source = resolve(self.name)
            if (Path(source) / "adapter_config.json").exists():
                raise RecodeError(
                    f"{self.name}: an adapter; merge it into its base first, or use --backend transformers"
                )
            try:
                from vllm import LLM
            except ImportError:
                raise MissingExtraError(
                    "vLLM is not installed; run: pip install vllm, on a machine with a GPU"
                ) from None
            self._engine = LLM(model=source)
        return self._engine
