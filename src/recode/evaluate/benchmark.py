"""What a benchmark is: items with prompts, and a judge of completions. Everything else, sampling to report, is the same for all."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from recode.errors import RecordError
from recode.models.prompting import Prompt
from recode.sandbox.verdict import Outcome


@dataclass(frozen=True)
class Decoding:
    """How a benchmark is sampled unless the user says otherwise: its authors' settings."""

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 512


@dataclass(frozen=True)
class Item:
    """One task of a benchmark.

    `group` names what items share, such as an update: whole groups are resampled for intervals. `unavailable` says why the item cannot be judged
    here; empty where it can. `note`, `given` and `gold` are for the report: what the model was told, was given and should have written.
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
    """The verdict on one completion. A score that cannot be graded is None, and so is every score of an ungradable completion."""

    outcome: Outcome
    detail: str = ""
    scores: dict[str, float | None] = field(default_factory=dict)
    answer: str | None = None
    """The program that was taken from the completion and judged."""


Advance = Callable[[int], None]
"""Is told how many more completions were judged."""


class Benchmark(ABC):
    """A set of items and its judge. A subclass is one module and one line in `recode.evaluate.benchmarks.BENCHMARKS`."""

    decoding: ClassVar[Decoding] = Decoding()
    counted: ClassVar[dict[str, str]] = {"pass": "pass@{k}"}
    """Scores of 0 or 1 whose unbiased estimate for k samples is reported, and its name."""
    averaged: ClassVar[tuple[str, ...]] = ()
    """Scores whose mean is reported under their own names."""

    def __init__(self, name: str, items: Sequence[Item]) -> None:
        self.name, self.items = name, list(items)

    def keep(self, limit: int | None) -> None:
        """Keep `limit` items at most, chosen by a hash of their ids and in their order: the same ones on every machine."""
        if limit is not None:
            chosen = fixed_choice((item.id for item in self.items), limit)
            self.items = [item for item in self.items if item.id in chosen]

    @classmethod
    @abstractmethod
    def open(cls, name: str, data: str | None, folder: Path) -> Benchmark:
        """Read the benchmark's files.

        Args:
            name: the name it was asked for by.
            data: the path or hub name that the user gave; None for the default.
            folder: where the project's own data is.

        Raises:
            RecodeError: a file is missing or bad; names file, line and field.
        """

    @classmethod
    def own_files(cls, name: str) -> tuple[str, ...]:
        """Return the files in the project's data folder that the benchmark is read from where the user names none."""
        return (f"{name}.jsonl",)

    def prepare(self) -> None:
        """Find out which of the kept items this machine can judge. Called once, after `keep`; by default all of them.

        Raises:
            RecodeError: a part of it fails.
        """
        return

    @abstractmethod
    def judge(self, asked: Sequence[tuple[Item, str]], advance: Advance) -> list[Judgement]:
        """Return the verdict on each (item, completion) in order. No item is unavailable, and nothing is raised for what a completion does.

        Raises:
            SandboxError: programs would have to run, and this machine gives no isolation.
        """


def fixed_choice(ids: Iterable[str], limit: int) -> set[str]:
    """Return `limit` of the ids at most, chosen by their hashes: no order and no seed has a say."""
    return set(sorted(ids, key=lambda one: hashlib.sha256(one.encode()).digest())[:limit])


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
