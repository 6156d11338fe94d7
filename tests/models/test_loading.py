"""Names of models, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

import recode.models
from recode.errors import RecodeError
from recode.models import EMBEDDED, load, resolve


def test_a_folder_is_loaded_in_evaluation_mode(tiny_model: Path) -> None:
    model, tokenizer = load(tiny_model)
    assert not model.training
    assert model.config.vocab_size == len(tokenizer)
    assert tokenizer.pad_token_id is not None


def test_embedded_names_are_folders_of_the_package() -> None:
    folders = {Path(resolve(name)) for name in EMBEDDED}
    assert len(folders) == len(EMBEDDED) == 2
    assert {folder.parent.parent for folder in folders} == {Path(recode.models.__file__).parent}


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


def test_a_broken_model_is_one_error_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(RecodeError, match="cannot be loaded") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
