"""The project's own splits: exact match, edit similarity, format, and whether the answer behaves on the new release as it should."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from recode.dataset.note_levels import LEVELS, NoteLevel, at_level, read_notes
from recode.errors import EnvironmentBuildError, MissingExtraError
from recode.evaluate.benchmark import Advance, Benchmark, Decoding, Item, Judgement, unique
from recode.evaluate.judging.migrations import SPLITS, judge, read_split
from recode.machine import cores
from recode.models.completing import migration_prompt
from recode.prompts import parse_response
from recode.records import Migration, read_records
from recode.rewards import execution
from recode.sandbox.environments import Environment
from recode.sandbox.verdict import Outcome
from recode.shipped import shipped

_MADE_UP = "(made up)"
"""The name for all invented libraries together in tables, since each has only a few entries."""
_ALL = ("test_generated", "test_updates", "test_libraries", "no_op")


def _splits(name: str) -> tuple[str, ...]:
    name = name.partition("@")[0]
    return _ALL if name == "migrations" else (name,)


class Migrations(Benchmark):
    """One split, or all test splits (`migrations`); `--data` names the data folder, or one file of records.

    `NAME@LEVEL` has its notes at a level. Entries that have no note at that level are unavailable.
    """

    decoding: ClassVar = Decoding(max_new_tokens=320)
    counted: ClassVar = {"exact": "exact@{k}", "execution": "execution@{k}"}
    averaged: ClassVar = (
        "exact", "edit", "format", "execution", "reward", "reward_of_copying", "lift", "copy",
    )  # fmt: skip

    def __init__(self, name: str, entries: Sequence[tuple[str, Migration]], locks: Path) -> None:
        """Take the entries with their splits' names, and the folder of locks."""
        level = _level(name)
        notes = read_notes(locks.parent) or read_notes(shipped("data"))
        items = [_item(entry, split, at_level(entry, level, notes)) for split, entry in entries]
        super().__init__(name, unique(items, name))
        self.entries, self.locks = {entry.id: entry for _, entry in entries}, locks
        self._environments: dict[str, Environment | str] = {}
        self._building = threading.Lock()

    @classmethod
    def open(cls, name: str, data: str | None, folder: Path) -> Migrations:
        """Read the split's files, or the file of records named by the user."""
        place = Path(data) if data else folder
        if place.is_file():
            return cls(name, [(place.stem, e) for e in read_records(place, Migration)], place.parent / "locks")
        entries = [(split, entry) for split in _splits(name) for entry in read_split(split, place)]
        return cls(name, entries, place / "locks")

    @classmethod
    def own_files(cls, name: str) -> tuple[str, ...]:
        """Return the files of its splits."""
        return tuple(file for split in _splits(name) for file in SPLITS[split])

    def judge(self, completions: Sequence[tuple[Item, str]], advance: Advance) -> list[Judgement]:
        """Judge the texts; run the answers to real entries in the environments they were verified in."""

        def judge_pair(pair: tuple[Item, str]) -> Judgement:
            judgement = self._judge(self.entries[pair[0].id], pair[1])
            advance(1)
            return judgement

        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(judge_pair, completions))

    def _judge(self, entry: Migration, completion: str) -> Judgement:
        verdict = judge(entry, completion)
        ran, why = self._execution(entry, completion, verdict.exact is not None)
        code = parse_response(completion).code
        if verdict.exact is None:
            return Judgement(Outcome.UNGRADABLE, "the gold program does not parse", answer=code)
        scores = {
            "exact": float(verdict.exact), "edit": verdict.edit, "format": float(verdict.well_formed), "execution": ran,
            "reward": verdict.reward, "reward_of_copying": verdict.reward_of_copying, "lift": verdict.lift, "copy": float(verdict.copied),
        }  # fmt: skip
        passed = verdict.exact if ran is None else bool(ran)
        comparison = (
            "exact" if verdict.exact else "copied" if verdict.copied else "no answer" if code is None else "differs"
        )
        return Judgement(Outcome.PASSED if passed else Outcome.FAILED, f"{comparison}; {why}", scores, code)

    def _execution(self, entry: Migration, completion: str, gradable: bool) -> tuple[float | None, str]:
        """Return 1 if the answer behaves as it should and 0 if not, None if that cannot be known; and a sentence about it."""
        if entry.locks is None or entry.stdout is None or not gradable:
            return None, "not run: made-up library"
        environment = self._environment(entry)
        if isinstance(environment, str):
            return None, f"not run: {environment}"
        # A symbol begins with the name that programs import: `PIL` of pillow.
        module = entry.old_symbol.package
        ran = execution.score(completion, entry.new_code, entry.old_code, entry.stdout, environment, module)
        words = {None: "not run: the sandbox failed", 1.0: "runs as it should", 0.0: "does not run as it should"}
        return ran, words[ran]

    def _environment(self, entry: Migration) -> Environment | str:
        """Return the new release's environment, or the reason why there is none."""
        assert entry.locks is not None
        digest = entry.locks[1]
        with self._building:
            if digest not in self._environments:
                try:
                    found = execution.environment_of(
                        digest, self.locks if self.locks.is_dir() else shipped("data/locks")
                    )
                    self._environments[digest] = found or "no lock has the digest of its environment"
                except (EnvironmentBuildError, MissingExtraError) as error:
                    self._environments[digest] = str(error)
            return self._environments[digest]


def _level(name: str) -> NoteLevel:
    wanted = name.partition("@")[2]
    return next((level for level in LEVELS if level == wanted), "tailored")


def _item(entry: Migration, split: str, noted: Migration | None) -> Item:
    """Return the item of an entry; `noted` is the entry with its note at the benchmark's level, None where it has none."""
    missing = "" if noted else "its releases give no note at this level"
    shown = noted or entry
    library = _MADE_UP if entry.author == "generator" else entry.library
    return Item(
        entry.id, migration_prompt(shown, entry.old_code), library, entry.kind, split, entry.family_id, missing,
        note=shown.update_info, given=entry.old_code, gold=entry.new_code,
    )  # fmt: skip
