"""What a model forgets by training on migrations: next-token loss on held-out Python text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recode.invent.python_text import functions

_TEXTS = 150


def held_out_python() -> Sequence[str]:
    """Return functions of this machine's standard library that no pretraining reads; forgetting is measured on them."""
    return functions("test")[:_TEXTS]


def python_loss(model: Any, tokenizer: Any, texts: Sequence[str], *, together: int = 32) -> float:
    """Return the mean next-token loss in nats over all tokens of the texts, each ended by the end token.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        texts: programs that are in no training set.
        together: texts in one forward pass.
    """
    import torch

    ids = [[*row, tokenizer.eos_token_id] for row in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    ids.sort(key=len)
    total, count = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(ids), together):
            rows = ids[start : start + together]
            longest = max(len(row) for row in rows)
            batch = torch.full((len(rows), longest), int(tokenizer.eos_token_id))
            labels = torch.full((len(rows), longest), -100)
            for number, row in enumerate(rows):
                batch[number, : len(row)] = labels[number, : len(row)] = torch.tensor(row)
            logits = model(input_ids=batch.to(model.device)).logits[:, :-1].float()
            wanted = labels[:, 1:].to(logits.device)
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), wanted.flatten(), ignore_index=-100, reduction="sum"
            )
            total, count = total + loss.item(), count + int((wanted != -100).sum())
    return total / count
