"""What the strict terms grade: the program in the answer block, and the gold program it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from recode.prompts import parse_response
from recode.rewards.normal_form import normal_form, same_tree
from recode.source import PARSE_ERRORS, clean, parses

MAX_CHARACTERS = 100_000
"""Longer programs are rejected, so that grading takes bounded time (the paper allows 1,024 tokens)."""


@dataclass(frozen=True, slots=True)
class GradedProgram:
    """A program as the strict terms compare it.

    `text` is the program without comments and blank lines. `normal` is its normal form (see `recode.rewards.normal_form`); None for text
    that does not parse, and for the rare program that has none, such as one that is nested too deeply.
    """

    text: str
    normal: str | None

    def same_as(self, other: GradedProgram) -> bool:
        """Return whether the two are one program: one syntax tree, or one text if either has no normal form."""
        if self.text == other.text:
            return True
        # `ast.unparse` may write two trees alike, so equal normal forms are looked at once more. Few answers come this far.
        return self.normal is not None and self.normal == other.normal and same_tree(self.text, other.text)


def answer(completion: str) -> GradedProgram | None:
    """Return the program of a completion's answer, or None.

    None means that no answer block has exactly one fence, or that its program does not parse or is longer than
    `MAX_CHARACTERS`.
    """
    return _answer(completion) if len(completion) <= MAX_CHARACTERS else _read_answer(completion)


def program(code: str) -> GradedProgram | None:
    """Return `code` as a program, or None if it does not parse or is longer than `MAX_CHARACTERS`."""
    return _program(code) if len(code) <= MAX_CHARACTERS else None


def read(code: str) -> GradedProgram:
    """Return any text as a program; without a normal form if it does not parse or is longer than `MAX_CHARACTERS`."""
    return program(code) or GradedProgram(clean(code), None)


def same_program(one: str, other: str) -> bool:
    """Return whether two texts are one program, apart from layout, comments and how literals are spelled."""
    return one == other or read(one).same_as(read(other))


def comparable(*programs: GradedProgram) -> list[str]:
    """Return the texts to measure the similarity of programs by: their normal forms, or all cleaned texts if one has no normal form."""
    normals = [program.normal for program in programs if program.normal is not None]
    return normals if len(normals) == len(programs) else [program.text for program in programs]


def gradable(target: str) -> bool:
    """Return whether answers can be graded against this gold program.

    They can if it parses and has at most `MAX_CHARACTERS` characters. Then `prompts.response(thought, target)` scores
    the maximum in every strict term. Against any other gold, every term but `format` is None, never zero.
    """
    return program(target) is not None


def _read_answer(completion: str) -> GradedProgram | None:
    code = parse_response(completion).code
    return None if code is None else program(code)


# All terms read the same completion in turn, and the samples of a group share their gold.
_answer = lru_cache(maxsize=512)(_read_answer)


@lru_cache(maxsize=512)
def _program(code: str) -> GradedProgram | None:
    try:
        normal = normal_form(code, MAX_CHARACTERS)
    except SyntaxError:
        return None
    except PARSE_ERRORS:
        # A tree may be too deep to be handed to Python, and the program still be one.
        normal = None
        if not parses(code):
            return None
    return GradedProgram(clean(code), normal)


def text_of(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a completion: a string as it is, of chat messages the content of the last."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else None
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or [])
