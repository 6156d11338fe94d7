"""`complete(prompts) -> completions`: the one way the rest of the project samples from a local model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recode.models import llama
from recode.models.llama import Sampling
from recode.prompts import PREFILL, messages
from recode.records import ApiUpdate


def render(tokenizer: Any, update: ApiUpdate, code: str) -> str:
    """Return the prompt as the model reads it: the chat template around the messages, then the pre-filled `<think>`.

    A tokenizer without a chat template gets the messages as plain paragraphs.
    """
    turns = messages(update, code)
    if getattr(tokenizer, "chat_template", None):
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    else:
        text = "\n\n".join(turn["content"] for turn in turns) + "\n\n"
    return f"{text}{PREFILL}"


def sample_ids(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], samples: int, sampling: Sampling
) -> list[list[list[int]]]:
    """Return `samples` completions, as token ids with the end token where it was reached, for each prompt's token ids."""
    if llama.supports(model):
        return llama.sample(model, list(prompts), samples, sampling, int(tokenizer.eos_token_id))
    return _generate(model, tokenizer, prompts, samples, sampling)


def complete(model: Any, tokenizer: Any, prompts: Sequence[str], samples: int, sampling: Sampling) -> list[list[str]]:
    """Return `samples` completions for each rendered prompt; the same for the same arguments."""
    ids = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    drawn = sample_ids(model, tokenizer, ids, samples, sampling)
    return [tokenizer.batch_decode(group, skip_special_tokens=True) for group in drawn]


def _generate(
    model: Any, tokenizer: Any, prompts: Sequence[list[int]], samples: int, sampling: Sampling
) -> list[list[list[int]]]:
    """Sample by `transformers`, one group at a time; for every model that the small decoder does not cover."""
    import torch

    greedy = sampling.temperature == 0
    chosen: dict[str, Any] = (
        {"do_sample": False} if greedy else {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    )
    results = []
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(sampling.seed)
        for prompt in prompts:
            ids = torch.tensor([prompt], device=model.device)
            rows = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=sampling.max_new_tokens,
                num_return_sequences=1 if greedy else samples, do_sample=not greedy,
                pad_token_id=tokenizer.pad_token_id, **{k: v for k, v in chosen.items() if k != "do_sample"},
            )[:, len(prompt) :]  # fmt: skip
            group = [llama.until(row.tolist(), tokenizer.eos_token_id) for row in rows]
            results.append(group * samples if greedy else group)
    return results
