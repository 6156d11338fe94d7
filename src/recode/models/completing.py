"""`complete(prompts) -> completions`: how the rest of the project samples from a local model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recode.models.prompting import Prompt, render_prompt
from recode.models.sampling import Sampling
from recode.prompts import PREFILL, messages
from recode.records import ApiUpdate

_ROWS = 64
"""Sequences that `transformers` samples at once."""


def migration_prompt(update: ApiUpdate, code: str) -> Prompt:
    """Return the prompt of one migration: the messages, then the pre-filled `<think>`."""
    return Prompt(tuple((turn["role"], turn["content"]) for turn in messages(update, code)), PREFILL)


def render(tokenizer: Any, update: ApiUpdate, code: str) -> str:
    """Return the prompt of one migration as text: the chat template around the messages, then the pre-filled `<think>`.

    Without a chat template the messages become plain paragraphs.
    """
    return render_prompt(tokenizer, migration_prompt(update, code))


def sample_ids(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], samples: int, sampling: Sampling
) -> list[list[list[int]]]:
    """Return `samples` completions for each prompt, all as token ids. A completion holds the end token if it was reached."""
    from recode.models import llama

    if llama.supports(model):
        return llama.sample(model, list(prompts), samples, sampling, int(tokenizer.eos_token_id))
    return _generate(model, tokenizer, prompts, samples, sampling)


def complete(model: Any, tokenizer: Any, prompts: Sequence[str], samples: int, sampling: Sampling) -> list[list[str]]:
    """Return `samples` completions for each rendered prompt. Equal arguments give equal completions."""
    ids = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    drawn = sample_ids(model, tokenizer, ids, samples, sampling)
    return [tokenizer.batch_decode(group, skip_special_tokens=True) for group in drawn]


def _generate(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], samples: int, sampling: Sampling
) -> list[list[list[int]]]:
    """Sample with `transformers`, several prompts at a time, padded on the left: for models that the small decoder does not support."""
    import torch

    from recode.models.llama import until

    greedy = sampling.temperature == 0
    chosen: dict[str, Any] = (
        {} if greedy else {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    )
    per_prompt = 1 if greedy else samples
    # With the penalties of a model's settings, this policy would differ from the one that is trained and that vLLM samples from.
    chosen |= {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
    together = max(1, _ROWS // per_prompt)
    results: list[list[list[int]]] = []
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(sampling.seed)
        for start in range(0, len(prompts), together):
            part = prompts[start : start + together]
            longest = max(map(len, part))
            pads = [longest - len(prompt) for prompt in part]
            ids = torch.tensor(
                [[tokenizer.pad_token_id] * pad + prompt for pad, prompt in zip(pads, part, strict=True)]
            )
            mask = torch.tensor([[0] * pad + [1] * (longest - pad) for pad in pads])
            rows = model.generate(
                ids.to(model.device), attention_mask=mask.to(model.device), max_new_tokens=sampling.max_new_tokens,
                num_return_sequences=per_prompt, do_sample=not greedy, pad_token_id=tokenizer.pad_token_id, **chosen,
            )[:, longest:]  # fmt: skip
            ended = [until(row.tolist(), tokenizer.eos_token_id) for row in rows]
            for first in range(0, len(ended), per_prompt):
                results.append(ended[first : first + per_prompt] * (samples if greedy else 1))
    return results
