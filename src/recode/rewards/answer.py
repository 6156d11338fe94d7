"""What the strict terms grade: the program in the answer block, and the gold program it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from recode.prompts import parse_response
from recode.source import clean, parses

MAX_CHARACTERS = 100_000
"""Longer programs are rejected, so that grading takes bounded time (the paper allows 1,024 tokens)."""


def answer(completion: str) -> str | None:
    """Return the cleaned program of a completion's answer, or None.

    None means that no answer block has exactly one fence, or that its program does not parse or is longer than
    `MAX_CHARACTERS`.
    """
    code = parse_response(completion).code
    return None if code is None else program(code)


def program(code: str) -> str | None:
    """Return `code` cleaned, or None if it does not parse or is longer than `MAX_CHARACTERS`."""
    return _program(code) if len(code) <= MAX_CHARACTERS else None


def gradable(target: str) -> bool:
    """Return whether answers can be graded against this gold program.

    They can if it parses and has at most `MAX_CHARACTERS` characters. Then `prompts.response(thought, target)` scores
    the maximum in every strict term. Against any other gold, every term but `format` is None, never zero.
    """
    return program(target) is not None


# All terms read the same completion in turn, and the samples of a group share their gold.
@lru_cache(maxsize=512)
def _program(code: str) -> str | None:
    return clean(code) if parses(code) else None


def text_of(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a completion: a string as it is, of chat messages the content of the last."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else None
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or [])
