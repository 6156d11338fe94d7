"""The recorded runs of the old release, as a process of the new one reads them."""

from __future__ import annotations

import base64
import json
import os
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

if TYPE_CHECKING:
    from recode.migrate.witnesses.runs.guest._recode_values import AbsentValue
else:
    from _recode_values import AbsentValue


class OldOutcome(NamedTuple):
    """One evaluation in the old release."""

    digest: str
    """Of a value; empty for an error."""
    latent: str
    error: str
    message: str
    number: int
    stable: bool


class OldRuns:
    """What was recorded of the old release, by place and inputs."""

    def __init__(self, folders: Sequence[str]) -> None:
        first, second = _read(folders[0]), _read(folders[-1])
        self.values: dict[str, tuple[str | None, str]] = {**second.values, **first.values}
        self.warnings = first.warnings | second.warnings
        self.entries = {place: first.entries[place] for place in first.entries if place in second.entries}
        self.places = {place for place, _ in first.outcomes}
        self.errors = {place for (place, _), found in first.outcomes.items() if any(one.error for one in found)}
        self.outcomes: dict[tuple[str, str], list[OldOutcome]] = {}
        for key, found in first.outcomes.items():
            again = second.outcomes.get(key, [])
            self.outcomes[key] = [
                one._replace(stable=n < len(again) and (again[n].digest, again[n].error) == (one.digest, one.error))
                for n, one in enumerate(found)
            ]

    def copy(self, digest: str) -> Any:
        """Return a copy of an old value, or an absent one that stands for it."""
        data = self.values.get(digest, (None, ""))[0]
        if data is not None:
            try:
                return pickle.loads(base64.b64decode(data))  # Written by the same project in the old release.
            except Exception:  # The new release cannot read it.
                pass
        return AbsentValue(digest)

    def text(self, outcome: OldOutcome) -> str:
        """Return an old outcome as a short text."""
        return outcome.error if outcome.error else self.values.get(outcome.digest, (None, ""))[1]


class _Read:
    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, str], list[OldOutcome]] = {}
        self.values: dict[str, tuple[str | None, str]] = {}
        self.warnings: set = set()  # type: ignore[type-arg]
        self.entries: dict[str, tuple[int, str]] = {}


def _read(folder: str) -> _Read:
    read = _Read()
    for name in sorted(os.listdir(folder)):
        if not name.startswith("log-"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            for line in file:
                try:
                    _take(read, json.loads(line))
                except (ValueError, IndexError, TypeError):  # The line at which the run was killed.
                    continue
    return read


def _take(read: _Read, row: list[Any]) -> None:
    if row[0] == "o":
        read.outcomes.setdefault((row[1], row[2]), []).append(OldOutcome(row[3], row[4], "", "", row[5], False))
    elif row[0] == "x":
        read.outcomes.setdefault((row[1], row[2]), []).append(OldOutcome("", "", row[3], row[4], row[5], False))
    elif row[0] == "v":
        read.values.setdefault(row[1], (row[2], row[3]))
    elif row[0] == "w":
        read.warnings.add((row[1], row[2]))
    elif row[0] == "e":
        read.entries.setdefault(row[1], (row[2], row[3]))
