"""A backend without a model, and a small HumanEval file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from recode.errors import SandboxError
from recode.models import Prompt, Sampling
from recode.models.backends import Have, Keep
from recode.records import write_jsonl
from recode.sandbox.levels import best_level


@pytest.fixture
def isolated() -> None:
    """Skips where unread programs cannot run."""
    try:
        best_level()
    except SandboxError as error:
        pytest.skip(f"this machine gives no isolation: {error}")


PROBLEMS = [
    ("Own/0", "def double(x):\n    '''Return twice x.'''\n", "double", "    return 2 * x\n", "assert candidate(3) == 6"),
    ("Own/1", "from typing import List\n\n\ndef half(x):\n    return x / 2\n\n\ndef halves(xs: List):\n    '''Halve each.'''\n",
     "halves", "    return [half(x) for x in xs]\n", "assert candidate([2, 4]) == [1, 2]"),
    ("Own/2", "def none():\n    '''Return nothing.'''\n", "none", "    return None\n", "assert candidate() is None"),
]  # fmt: skip


@pytest.fixture
def humaneval_file(tmp_path: Path) -> Path:
    """Three problems in HumanEval's format."""
    rows = [
        {"task_id": name, "prompt": prompt, "entry_point": entry, "canonical_solution": body, "test": f"def check(candidate):\n    {test}\n"}
        for name, prompt, entry, body, test in PROBLEMS
    ]  # fmt: skip
    write_jsonl(tmp_path / "problems.jsonl", rows)
    return tmp_path / "problems.jsonl"


class Scripted:
    """A backend that answers by a function of (prompt, sample), and counts what it was asked for."""

    def __init__(self, answer: Callable[[Prompt, int], str], name: str = "scripted") -> None:
        self.name, self.answer = name, answer
        self.asked: list[tuple[int, int]] = []

    def fingerprint(self) -> str:
        return f"{self.name} 1"

    def generate(self, prompts: Sequence[Prompt], samples: int, sampling: Sampling, have: Have, keep: Keep) -> None:
        for number, prompt in enumerate(prompts):
            for sample in range(samples):
                if not have(number, sample):
                    self.asked.append((number, sample))
                    keep(number, sample, self.answer(prompt, sample))


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def right() -> Callable[[Prompt, int], str]:
    """The right completion of each of the small file's problems."""
    bodies = {prompt: body for _, prompt, _, body, _ in PROBLEMS}
    return lambda prompt, sample: bodies[prompt.plain]
