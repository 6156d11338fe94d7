"""Local backends: batches that do not depend on what is missing, fingerprints, adapters."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recode.errors import RecodeError
from recode.models import LocalBackend, Prompt, Sampling, load
from recode.models.backends import batches, is_missing
from recode.models.local import model_fingerprint

PROMPTS = [Prompt((("user", "word " * n),), "<think>") for n in range(1, 8)]


def drawn(backend: LocalBackend, kept: dict[tuple[int, int], str], samples: int = 2) -> dict[tuple[int, int], str]:
    backend.generate(
        PROMPTS,
        samples,
        Sampling(6, 1.0, seed=3),
        lambda n, s: (n, s) in kept,
        lambda n, s, text: kept.__setitem__((n, s), text),
    )
    return kept


def test_a_resumed_run_draws_what_an_undisturbed_one_draws(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recode.models.local._TOGETHER", 3)
    backend = LocalBackend(str(tiny_model))
    whole = drawn(backend, {})
    assert len(whole) == 14
    half = {key: text for key, text in whole.items() if key[0] in (0, 1, 2, 4) or key == (5, 1)}
    assert drawn(backend, half) == whole
    with monkeypatch.context() as patch:
        patch.setattr("recode.models.local.complete", None)
        assert drawn(backend, dict(whole)) == whole


def test_batches_hold_every_prompt_once_and_like_lengths() -> None:
    found = batches(["aaa", "a", "aaaaa", "aa", "aaaa"], 2)
    assert found == [[1, 3], [0, 4], [2]]
    assert is_missing([1], 2, lambda n, s: s == 0)
    assert not is_missing([1], 2, lambda n, s: True)


def test_a_fingerprint_follows_the_weights(tiny_model: Path, tmp_path: Path) -> None:
    first = model_fingerprint(str(tiny_model))
    copied = tmp_path / "copy"
    shutil.copytree(tiny_model, copied)
    assert model_fingerprint(str(copied)) == first
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert model_fingerprint(str(copied)) != first


def test_an_adapter_is_merged_into_its_base(tiny_model: Path, tmp_path: Path) -> None:
    torch, peft = pytest.importorskip("torch"), pytest.importorskip("peft")
    model, tokenizer = load(tiny_model)
    wrapped = peft.get_peft_model(
        model, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    wrapped.peft_config["default"].base_model_name_or_path = str(tiny_model)
    ids = torch.tensor([tokenizer("def f(x):")["input_ids"]])
    expected = wrapped(ids).logits
    wrapped.save_pretrained(tmp_path / "adapter")
    merged, _ = load(tmp_path / "adapter")
    assert type(merged).__name__ == "LlamaForCausalLM"
    assert torch.allclose(merged(ids).logits, expected, atol=1e-4)
    assert not torch.allclose(load(tiny_model)[0](ids).logits, expected, atol=1e-4)
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(RecodeError, match="names no base model"):
        load(tmp_path / "adapter")
