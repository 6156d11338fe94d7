"""The estimates: derived from shapes that are those of the real models, and shown in the docs as the function gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from recode.train import scaling
from recode.train.recipes import Adapter, Hardware, PolicyRecipe, load_recipe
from recode.train.scaling import CARDS, GIB, SHAPES, DecoderShape, cache_room, memory, seconds, shape_of

ROOT = Path(__file__).parents[2]


def built(shape: DecoderShape) -> Any:
    """The model itself, without memory for its weights."""
    sizes = {
        "hidden_size": shape.hidden, "intermediate_size": shape.intermediate, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "vocab_size": shape.vocabulary,
        "tie_word_embeddings": shape.tied,
    }  # fmt: skip
    with torch.device("meta"):
        return Qwen2ForCausalLM(Qwen2Config(**sizes)) if shape.qkv_bias else LlamaForCausalLM(LlamaConfig(**sizes))


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_weights_are_counted_as_transformers_builds_them(name: str) -> None:
    model = built(SHAPES[name])
    assert SHAPES[name].parameters == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("magnitude", [False, True])
def test_an_adapters_weights_are_counted_as_peft_makes_them(magnitude: bool) -> None:
    shape = DecoderShape(2, 32, 48, 4, 2, 8, 64, tied=False)
    config = LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, vocab_size=64)  # fmt: skip
    adapted = get_peft_model(
        LlamaForCausalLM(config),
        LoraConfig(r=4, target_modules="all-linear", use_dora=magnitude, task_type="CAUSAL_LM"),
    )
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert shape.adapter_parameters(4, magnitude) == trained


def test_stored_activations_are_those_that_autograd_keeps() -> None:
    """What a layer saves for its backward pass, in bfloat16, is within a quarter of the formula."""
    config = LlamaConfig(hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=4,
                         num_key_value_heads=2, vocab_size=64, attn_implementation="sdpa")  # fmt: skip
    layers = LlamaForCausalLM(config).to(torch.bfloat16).model
    weights = {weight.data_ptr() for weight in layers.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = layers(input_ids=torch.randint(0, 64, (1, 512)), use_cache=False).last_hidden_state
    shape = DecoderShape(4, 256, 704, 4, 2, 64, 64, tied=False)
    assert out.requires_grad
    assert sum(kept.values()) == pytest.approx(512 * 4 * shape.layer_token, rel=0.25)


def example(**changes: Any) -> PolicyRecipe:
    recipe = load_recipe(ROOT / "recipes" / "paper" / "grpo-qwen2.5-7b-instruct.toml")
    assert isinstance(recipe, PolicyRecipe)
    return recipe.model_copy(update=changes)


def test_memory_of_every_weight_is_16_bytes_a_weight_and_sharding_divides_it() -> None:
    shape = SHAPES["Qwen2.5-7B"]
    alone = memory(example(adapter=None, loss=example().loss.model_copy(update={"kl": 0.0})), shape, CARDS[80])
    assert alone.weights + alone.gradients + alone.optimizer == 16 * shape.parameters
    sharded = example(adapter=None, hardware=Hardware(gpus=8, sharding="full")).model_copy(
        update={"loss": example().loss}
    )
    eighth = memory(sharded, shape, CARDS[80])
    # With a KL penalty and no adapter there is a second copy of the weights.
    assert eighth.weights + eighth.gradients + eighth.optimizer == pytest.approx(20 * shape.parameters / 8)


def test_four_bits_and_an_adapter_take_less() -> None:
    shape = SHAPES["Qwen2.5-7B"]
    needs = [memory(example(adapter=adapter), shape, CARDS[80]).peak
             for adapter in (None, Adapter(), Adapter(four_bit=True))]  # fmt: skip
    assert needs == sorted(needs, reverse=True)


def test_the_cache_and_the_time_follow_from_the_shape() -> None:
    shape = SHAPES["Qwen2.5-7B"]
    # 28 layers x 4 heads x 128 x (keys and values) x 2 bytes.
    assert shape.cache_token == 57344
    assert cache_room(example(), shape, CARDS[24]) == 0
    assert cache_room(example(), shape, CARDS[80]) == int((0.35 * 80 * GIB - 2 * shape.parameters) // (57344 * 3072))
    took = [seconds(example(), shape, CARDS[size]) for size in (24, 80, 141)]
    assert took[0].total > took[1].total > took[2].total
    assert took[1].training == took[2].training


def test_shapes_are_found_by_hub_name() -> None:
    assert shape_of("Qwen/Qwen2.5-Coder-7B-Instruct") == SHAPES["Qwen2.5-7B"]
    assert shape_of("deepseek-ai/deepseek-coder-7b-instruct-v1.5") == SHAPES["deepseek-coder-7b"]
    assert shape_of("recode-tiny") is None


def test_the_docs_show_the_table_that_the_function_makes() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- table -->\n")[2].partition("\n<!-- end -->")[0]
    assert shown == scaling.table()
