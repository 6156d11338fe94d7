"""LoRA and DoRA adapters: their peft configuration, the 4-bit base below them, and merging them into plain weights."""

from __future__ import annotations

import copy
import difflib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel

from recode.errors import MissingExtraError, RecipeError
from recode.machine import has_bfloat16
from recode.models import load
from recode.train.recipes import Adapter, Optimization, PolicyRecipe, SftRecipe


def peft_config(adapter: Adapter | None) -> LoraConfig | None:
    """Return peft's configuration of an adapter; None for training every weight."""
    if adapter is None:
        return None
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        use_dora=adapter.kind == "dora",
        target_modules=list(adapter.targets) or "all-linear",
    )


def check_targets(model: Any, adapter: Adapter | None) -> None:
    """Make sure that each of an adapter's targets names layers that can be adapted; peft silently ignores those that do not.

    Raises:
        RecipeError: one does not; the message gives the nearest name that does.
    """
    if adapter is None or not adapter.targets:
        return
    names = [name for name, layer in model.named_modules() if getattr(getattr(layer, "weight", None), "ndim", 0) == 2]
    known = sorted({name.rpartition(".")[2] for name in names})
    for target in adapter.targets:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            near = difflib.get_close_matches(target, known, n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`?" if near else f"layers: {', '.join(known)}"
            raise RecipeError(f"adapter.targets: the model has no layer `{target}` that can be adapted; {hint}")


def load_base(recipe: SftRecipe | PolicyRecipe) -> tuple[Any, Any]:
    """Return the model to train and its tokenizer.

    Trained weights are float32, so that small updates are not rounded away; autocast computes in the recipe's precision. On a GPU the frozen
    base of an adapter is held in that precision, or in 4 bits.

    Raises:
        MissingExtraError: the recipe asks for a 4-bit base and bitsandbytes is not installed.
        RecipeError: the model has no layer of the name of a target.
        RecodeError: the model cannot be loaded.
    """
    if recipe.adapter is None or not recipe.adapter.four_bit:
        model, tokenizer = load(recipe.model, base_dtype(recipe))
    else:
        model, tokenizer = _load_four_bit(recipe)
    check_targets(model, recipe.adapter)
    return model, tokenizer


def _load_four_bit(recipe: SftRecipe | PolicyRecipe) -> tuple[Any, Any]:
    if find_spec("bitsandbytes") is None:
        raise MissingExtraError(
            "adapter.four_bit needs bitsandbytes; install it with `pip install 'recode-rl[qlora]'`, or leave the key out"
        )
    from accelerate import PartialState
    from transformers import BitsAndBytesConfig

    precision = computing(recipe.optimization)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, precision),
    )
    return load(
        recipe.model,
        precision,
        quantization_config=quantization,
        device_map={"": PartialState(cpu=not torch.cuda.is_available()).device},
    )


def computing(optimization: Optimization) -> str:
    """Return the data type of the arithmetic on this machine: `float32` or `bfloat16`."""
    if optimization.precision != "auto":
        return optimization.precision
    return "bfloat16" if torch.cuda.is_available() or has_bfloat16() else "float32"


def base_dtype(recipe: SftRecipe | PolicyRecipe) -> str:
    """Return the data type of the weights of the model to train."""
    frozen = recipe.adapter is not None
    return computing(recipe.optimization) if frozen and torch.cuda.is_available() else "float32"


def layers_of(policy: Any) -> Any:
    """Return the model whose `forward` runs through the adapted layers; without an adapter that is the model itself."""
    return policy.get_base_model() if isinstance(policy, PeftModel) else policy


def with_plain_weights(policy: Any) -> Any:
    """Return a model without adapter layers that computes the same: a merged copy, or the model itself.

    The copy takes as much memory as the model. Merging in place and unmerging would let rounding errors accumulate in the base.
    """
    if not isinstance(policy, PeftModel):
        return policy
    with torch.no_grad():
        return copy.deepcopy(policy).merge_and_unload()


def save_merged(recipe: SftRecipe | PolicyRecipe, adapter: Path, folder: Path) -> None:
    """Write base and adapter as one plain model folder.

    The base is read again from its files, because during training it may be in 4 bits or spread over many GPUs.
    """
    base, tokenizer = load(recipe.model, base_dtype(recipe))
    merged = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload(safe_merge=True)
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
