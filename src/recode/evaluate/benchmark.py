"""What a benchmark is: items with prompts, and a judge of completions. Everything else, from sampling to the report, is shared."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from recode.errors import RecordError
from recode.evaluate.progress import OnProgress
from recode.models.prompting import Prompt
from recode.sandbox.verdict import Outcome


@dataclass(frozen=True)
class Decoding:
    """How a benchmark's authors sample it. The user can override each setting."""

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 512


@dataclass(frozen=True)
class Item:
    """One task of a benchmark.

    `group` names what items share, such as an update; intervals resample whole groups. `unavailable` says why the item cannot be
    judged on this machine, and is empty if it can. `note`, `given` and `gold` are shown in the report: the note in the prompt, the code
    the model starts from, and the code it should write.
    """

    id: str
    prompt: Prompt
    library: str = ""
    kind: str = ""
    split: str = ""
    group: str = ""
    unavailable: str = ""
    note: str = ""
    given: str = ""
    gold: str = ""


@dataclass(frozen=True)
class Judgement:
    """The verdict on one completion. A score that cannot be graded is None; an ungradable completion has no other scores."""

    outcome: Outcome
    detail: str = ""
    scores: dict[str, float | None] = field(default_factory=dict)
    answer: str | None = None
    """The program extracted from the completion, which is what was judged."""


Advance = Callable[[int], None]
"""Called with the number of completions judged since the last call."""


class Benchmark(ABC):
    """A set of items and their judge. A new one is a module and a line in `recode.evaluate.benchmarks.BENCHMARKS`."""

    decoding: ClassVar[Decoding] = Decoding()
    counted: ClassVar[dict[str, str]] = {"pass": "pass@{k}"}
    """Scores of 0 or 1, each with the name under which its unbiased estimate for k samples is reported."""
    averaged: ClassVar[tuple[str, ...]] = ()
    """Scores whose mean is reported under their own names."""

    def __init__(self, name: str, items: Sequence[Item]) -> None:
        self.name, self.items = name, list(items)

    def keep(self, limit: int | None) -> None:
        """Keep at most `limit` items, chosen by a hash of their ids and in their order: the same ones on every machine."""
        if limit is not None:
            chosen = fixed_choice((item.id for item in self.items), limit)
            self.items = [item for item in self.items if item.id in chosen]

    @classmethod
    @abstractmethod
    def open(cls, name: str, data: str | None, folder: Path) -> Benchmark:
        """Read the benchmark's files.

        Args:
            name: the benchmark's name; several names may share a class.
            data: a path or hub name; None for the default.
            folder: the folder of the project's own data.

        Raises:
            RecodeError: a file is missing or bad; names file, line and field.
        """

    @classmethod
    def own_files(cls, name: str) -> tuple[str, ...]:
        """Return the files of the project's data folder that the benchmark is read from by default."""
        return (f"{name}.jsonl",)

    def prepare(self, on_progress: OnProgress) -> None:
        """Find out which of the kept items this machine can judge; by default all of them. Called once, after `keep`.

        Raises:
            RecodeError: a part of it fails.
        """
        return

    @abstractmethod
    def judge(self, completions: Sequence[tuple[Item, str]], advance: Advance) -> list[Judgement]:
        """Return the verdict on each (item, completion), in order. None of the items is unavailable.

        Whatever a completion does is a verdict, never an exception.

        Raises:
            SandboxError: programs must run, and this machine offers no isolation.
        """


def fixed_choice(ids: Iterable[str], limit: int) -> set[str]:
    """Return at most `limit` of the ids, chosen by their hashes, so neither order nor a seed matters."""
    return set(sorted(ids, key=lambda name: hashlib.sha256(name.encode()).digest())[:limit])


def unique(items: Sequence[Item], source: object) -> list[Item]:
    """Return the items.

    Raises:
        RecordError: two have the same id.
    """
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise RecordError(f"{source}: two items are called `{item.id}`; ids must differ")
        seen.add(item.id)
    return list(items)
