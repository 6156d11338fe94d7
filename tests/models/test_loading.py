"""Names of models, and the error when there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

import recode.models
from recode.errors import RecodeError
from recode.models import EMBEDDED, load, resolve, smollm
from recode.models.adapters import base_of
from recode.models.local import model_fingerprint


def test_a_folder_is_loaded_in_evaluation_mode(tiny_model: Path) -> None:
    model, tokenizer = load(tiny_model)
    assert not model.training
    assert model.config.vocab_size == len(tokenizer)
    assert tokenizer.pad_token_id is not None


def test_embedded_names_are_folders_of_the_package() -> None:
    folders = {Path(resolve(name)) for name in EMBEDDED}
    assert len(folders) == len(EMBEDDED) == 3
    assert {folder.parent.parent for folder in folders} == {Path(recode.models.__file__).parent}


def test_the_shipped_adapter_is_small_and_tied_to_the_weights_that_are_made() -> None:
    folder = Path(resolve("recode-smol-base"))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12 << 20
    assert base_of(folder) == smollm.NAME
    assert json.loads((folder / "base.json").read_text())["weights"] == smollm._WEIGHTS_DIGEST


def test_hub_names_and_folders_are_kept(tiny_model: Path) -> None:
    assert resolve("owner/model") == "owner/model"
    assert resolve(tiny_model) == str(tiny_model)


def test_an_unknown_name_is_one_error_line() -> None:
    with pytest.raises(RecodeError, match=r"no such model folder.*recode-tiny") as caught:
        load("recode-tinny")
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_one_error_line(tmp_path: Path) -> None:
    with pytest.raises(RecodeError, match=r"config\.json is missing"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["./nosuch", "~/nosuch", "/nosuch"])
def test_a_path_is_no_hub_name(name: str) -> None:
    with pytest.raises(RecodeError, match="no such model folder"):
        model_fingerprint(name)


def test_a_hub_name_that_cannot_be_looked_up_is_one_error_line() -> None:
    with pytest.raises(RecodeError, match="cannot be looked up") as caught:
        model_fingerprint("owner/no model..")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("base", ["null", '""', "3"])
def test_an_adapter_without_a_base_is_one_error_line(tmp_path: Path, base: str) -> None:
    (tmp_path / "adapter_config.json").write_text(f'{{"base_model_name_or_path": {base}}}', encoding="utf-8")
    with pytest.raises(RecodeError, match="names no base model"):
        load(tmp_path)


def test_a_broken_model_is_one_error_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(RecodeError, match="cannot be loaded") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def configured(**values: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}), encoding="utf-8")

    return change


def without_a_layer(folder: Path) -> None:
    path = folder / "model.safetensors"
    kept = {name: weight for name, weight in load_file(path).items() if "layers.1." not in name}
    save_file(kept, path, metadata={"format": "pt"})


def cut(size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:size])


def holding(file: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_text(text, encoding="utf-8")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (cut(0), "cannot be loaded: SafetensorError.*check the model's files"),
    "half of the weights": (cut(20_000), "cannot be loaded: SafetensorError.*check the model's files"),
    "a layer missing": (without_a_layer, r"the weight `model\.layers\.1\..*` \(and \d+ more\) is missing"),
    "another shape": (configured(intermediate_size=40), "the weight .* is of another shape than config.json says"),
    "a list for settings": (holding("config.json", "[]"), "cannot be loaded"),
    "a number for settings": (holding("config.json", "3"), "cannot be loaded"),
    "a word for a number": (configured(hidden_size="x"), "cannot be loaded.*hidden_size"),
    "a list for a tokenizer": (holding("tokenizer.json", "[]"), "cannot be loaded"),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_model_is_one_error_line_and_never_random_weights(
    damage: str, tiny_model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(RecodeError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(folder))


@pytest.mark.parametrize("tied", [True, False])
def test_a_tied_head_is_not_missing(tied: bool, tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    model, _ = load(tiny_model)
    model.config.tie_word_embeddings = tied
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach() + 1)
    model.save_pretrained(folder)
    assert ("lm_head.weight" in load_file(folder / "model.safetensors")) != tied
    ours, theirs = load(folder)[0].state_dict(), AutoModelForCausalLM.from_pretrained(folder).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_lack_of_memory_is_left_to_the_caller(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", full)
    with pytest.raises(torch.OutOfMemoryError):
        load(tiny_model)
