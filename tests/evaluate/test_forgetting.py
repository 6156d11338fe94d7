"""The loss on held-out Python."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from recode.evaluate.forgetting import python_loss
from recode.models import load

TEXTS = ["def f(x):\n    return x\n", "x = 1\n", "import os\n\nprint(os.name, [1, 2, 3])\n"]


class Uniform:
    """A model to which all tokens are equally likely."""

    device = torch.device("cpu")

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def __call__(self, input_ids: torch.Tensor) -> Any:
        return SimpleNamespace(logits=torch.zeros(*input_ids.shape, self.vocabulary))


def test_the_loss_of_a_uniform_model_is_the_log_of_the_vocabulary(tiny_model: Path) -> None:
    tokenizer = load(tiny_model)[1]
    assert python_loss(Uniform(500), tokenizer, TEXTS) == pytest.approx(math.log(500))


def test_padding_does_not_count(tiny_model: Path) -> None:
    model, tokenizer = load(tiny_model)
    together, alone = (python_loss(model, tokenizer, TEXTS, together=n) for n in (3, 1))
    assert together == pytest.approx(alone, rel=1e-5)


def test_the_end_token_counts(tiny_model: Path) -> None:
    model, tokenizer = load(tiny_model)
    ids = torch.tensor([[*tokenizer(TEXTS[1])["input_ids"], tokenizer.eos_token_id]])
    with torch.inference_mode():
        expected = model(input_ids=ids, labels=ids).loss.item()
    assert python_loss(model, tokenizer, TEXTS[1:2]) == pytest.approx(expected, rel=1e-5)
