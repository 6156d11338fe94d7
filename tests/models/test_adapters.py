"""Adapters know the weights that they were trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from recode.errors import RecodeError
from recode.models import adapters, load


def adapted(base: Path, folder: Path, seed: int = 0) -> Path:
    """Write an adapter that changes its base, and tie it to the base."""
    model, _ = load(base)
    torch.manual_seed(seed)
    policy = get_peft_model(
        model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    )
    policy.save_pretrained(folder)
    adapters.tie(folder, str(base), base)
    return folder


def test_an_adapter_loads_on_its_base(tiny_model: Path, tmp_path: Path) -> None:
    folder = adapted(tiny_model, tmp_path / "adapter")
    ids = torch.tensor([[5, 6, 7]])
    changed, plain = load(folder)[0](ids).logits, load(tiny_model)[0](ids).logits
    assert not torch.allclose(changed, plain)


def test_other_weights_are_refused_in_one_line(tiny_model: Path, tmp_path: Path) -> None:
    base = shutil.copytree(tiny_model, tmp_path / "base")
    folder = adapted(base, tmp_path / "adapter")
    weights = load_file(base / "model.safetensors")
    save_file(
        {name: weight + 1e-3 for name, weight in weights.items()}, base / "model.safetensors", metadata={"format": "pt"}
    )
    with pytest.raises(RecodeError, match=r"made for the weights .* get the base again") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_an_adapter_may_stand_on_another(tiny_model: Path, tmp_path: Path) -> None:
    first = adapted(tiny_model, tmp_path / "first")
    second = adapted(first, tmp_path / "second", seed=1)
    ids = torch.tensor([[5, 6, 7]])
    model, tokenizer = load(second)
    assert not torch.allclose(model(ids).logits, load(first)[0](ids).logits)
    assert tokenizer.eos_token_id is not None


@pytest.mark.parametrize("text", ["[]", "{}", "x"])
def test_a_damaged_record_of_the_base_is_one_error_line(text: str, tiny_model: Path, tmp_path: Path) -> None:
    folder = adapted(tiny_model, tmp_path / "adapter")
    (folder / adapters.BASE).write_text(text, encoding="utf-8")
    with pytest.raises(RecodeError, match="holds no name and digest"):
        load(folder)
