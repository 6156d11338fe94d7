"""The embedded model's tokenizer."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recode.invent import generate
from recode.prompts import SYSTEM, messages
from recode.train.pretrain.tokenizer import END, PAD, ROLE_TOKENS, _fixed_phrases, train_tokenizer
from recode.train.recipes import LEAST_VOCABULARY


def made() -> Any:
    entries = itertools.islice(generate(1), 40)
    return train_tokenizer([text for e in entries for text in (e.update_info, e.old_code)], 500)


TOKENIZER = made()


def pieces(text: str) -> list[str]:
    return TOKENIZER.convert_ids_to_tokens(TOKENIZER(text, add_special_tokens=False)["input_ids"])


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("  def f(x):\n\n\n        return x  \n\t# é 漢 🙂\r\n")
@example("don 't , . ! ```python\n``` <think>")
def test_any_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


@pytest.mark.parametrize("name", ["total_scale", "SparseGrid", "cumsum", "HTTPServer2", "x1", "_private", "frame"])
def test_a_name_is_split_the_same_way_wherever_it_stands(name: str) -> None:
    alone = pieces(name)
    for before, after in (
        ("", "("),
        (".", "("),
        (" ", " "),
        ("\n    ", " = 1"),
        ("`lib.", "`"),
        ("(", ","),
        ("# ", "\n"),
    ):
        whole = pieces(f"{before}{name}{after}")
        starts = range(len(whole) - len(alone) + 1)
        assert any(whole[i : i + len(alone)] == alone for i in starts), whole


def test_a_word_is_split_the_same_way_inside_a_longer_name() -> None:
    word = pieces("weights")
    for name in ("weights_old", "old_weights", "get_weights2"):
        whole = pieces(name)
        assert any(whole[i : i + len(word)] == word for i in range(len(whole))), whole


@pytest.mark.parametrize("phrase", [*_fixed_phrases(), PAD, END, *ROLE_TOKENS])
def test_fixed_phrases_are_one_token(phrase: str) -> None:
    assert len(TOKENIZER(phrase)["input_ids"]) == 1


def test_the_vocabulary_has_the_size_asked_for() -> None:
    assert len(TOKENIZER) == 500


def test_digits_stand_alone() -> None:
    assert pieces("2025") == ["2", "0", "2", "5"]


def test_a_rendered_prompt_begins_with_role_and_system_message() -> None:
    entry = next(generate(1))
    text = TOKENIZER.apply_chat_template(messages(entry, entry.old_code), tokenize=False, add_generation_prompt=True)
    assert pieces(text)[:3] == ["<|system|>", SYSTEM, "<|user|>"]
    assert pieces(text)[-1] == "<|assistant|>"


def test_no_smaller_vocabulary_is_taken_than_the_tokens_that_are_always_there() -> None:
    assert len(train_tokenizer(["x"], LEAST_VOCABULARY)) == LEAST_VOCABULARY
    assert len(train_tokenizer(["x"], LEAST_VOCABULARY - 1)) == LEAST_VOCABULARY
