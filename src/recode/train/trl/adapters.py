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
from recode.models import load
from recode.train.recipes import Adapter, PolicyRecipe, SftRecipe


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
    """Make sure that each of an adapter's targets is the name of layers that can be adapted; peft passes over those that are not.

    Raises:
        RecipeError: one is not; names the nearest that is.
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

    Weights that are trained are held in float32, so that small updates count; autocast computes in the recipe's precision. A frozen base
    below an adapter is held in that precision on a GPU, or in 4 bits.

    Raises:
        MissingExtraError: a 4-bit base is asked for and bitsandbytes is not installed.
        RecipeError: a target of the adapter is no layer of the model.
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

    computing = getattr(torch, recipe.optimization.precision)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=computing,
    )
    return load(
        recipe.model,
        recipe.optimization.precision,
        quantization_config=quantization,
        device_map={"": PartialState(cpu=not torch.cuda.is_available()).device},
    )


def base_dtype(recipe: SftRecipe | PolicyRecipe) -> str:
    """Return the type in which the weights of the model to train are held."""
    frozen = recipe.adapter is not None
    return recipe.optimization.precision if frozen and torch.cuda.is_available() else "float32"


def layers_of(policy: Any) -> Any:
    """Return the model whose `forward` runs through the adapted layers: the model itself where there is no adapter."""
    return policy.get_base_model() if isinstance(policy, PeftModel) else policy


def with_plain_weights(policy: Any) -> Any:
    """Return a model without adapter layers that computes the same: a merged copy, or the model itself.

    The copy costs the memory of the model once more. Merging in place and back again would let rounding errors gather in the base.
    """
    if not isinstance(policy, PeftModel):
        return policy
    with torch.no_grad():
        return copy.deepcopy(policy).merge_and_unload()


def save_merged(recipe: SftRecipe | PolicyRecipe, adapter: Path, folder: Path) -> None:
    """Write base and adapter as one plain model folder.

    The base is read anew, so that it is whole whatever held it while training: 4 bits, or shards on many GPUs.
    """
    base, tokenizer = load(recipe.model, base_dtype(recipe))
    merged = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload(safe_merge=True)
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
