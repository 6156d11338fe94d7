"""The project's own splits: is the answer the migrated program, how close is it, is it well-formed, is it a copy of the old code?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from recode.errors import RecordError
from recode.models import Sampling, complete, render
from recode.prompts import parse_response
from recode.records import Migration, read_records
from recode.rewards import DEFAULT_WEIGHTS, copy_baseline, same_program, score

SPLITS: dict[str, tuple[str, ...]] = {
    "test_generated": ("test_generated.jsonl",),
    "test_updates": ("test_updates.jsonl",),
    "test_libraries": ("test_libraries.jsonl",),
    "test_updates_composed": ("test_updates_composed.jsonl",),
    "test_libraries_composed": ("test_libraries_composed.jsonl",),
    "no_op_hard": ("no_op_hard.jsonl",),
    "no_op": ("no_op.jsonl", "no_op_generated.jsonl"),
    "validation": ("validation.jsonl",),
}
"""Each split and its files in the data folder."""


@dataclass(frozen=True)
class JudgedMigration:
    """One completion and its verdict.

    `exact` says whether the answer has the gold's syntax tree, and `copied` whether it has the old code's: layout and comments do not count.
    `edit` is the edit similarity to the gold, both in normal form, from 0 to 1; 0 if there is no answer. `reward` is the weighted sum of the
    strict family's terms (format + edit unless other weights are given) and `lift` its lift. A value that cannot be graded is None.
    """

    id: str
    family_id: str
    library: str
    kind: str
    completion: str
    exact: bool | None
    edit: float | None
    reward: float | None
    lift: float | None
    copied: bool
    well_formed: bool
    reward_of_copying: float | None


def read_split(name: str, data: Path) -> list[Migration]:
    """Read a split's entries.

    Raises:
        RecordError: there is no such split, a file is missing, or a line is bad.
    """
    if name not in SPLITS:
        raise RecordError(f"no split is called `{name}`; choose from {', '.join(SPLITS)}")
    return [entry for file in SPLITS[name] for entry in read_records(data / file, Migration)]


def judge(entry: Migration, completion: str, weights: Mapping[str, float] = DEFAULT_WEIGHTS) -> JudgedMigration:
    """Return the verdict on one completion (what follows the pre-filled `<think>`)."""
    answer = parse_response(completion)
    target = _nearest(entry, answer.code)
    scores = score(completion, target, entry.old_code, weights=weights)
    edit, exact = scores["edit"], scores["exact"]
    return JudgedMigration(
        id=entry.id,
        family_id=entry.family_id,
        library=entry.library,
        kind=entry.kind,
        completion=completion,
        exact=None if exact is None else exact > 0,
        # The inverse of 3.5 * similarity - 1.5; the score of no answer, -2, is below that of every similarity.
        edit=None if edit is None else max(0.0, (edit + 1.5) / 3.5),
        reward=scores.total,
        lift=scores["lift"],
        copied=answer.code is not None and same_program(answer.code, entry.old_code),
        well_formed=answer.well_formed,
        reward_of_copying=copy_baseline(entry.new_code, entry.old_code, weights=weights).total,
    )


def _nearest(entry: Migration, code: str | None) -> str:
    """Return the gold program, or the further right answer that an answer is."""
    if code is None:
        return entry.new_code
    return next((other for other in entry.alternatives if same_program(code, other)), entry.new_code)


def evaluate(
    model: Any, tokenizer: Any, entries: Sequence[Migration], *, samples: int = 1, sampling: Sampling | None = None,
    together: int = 32, weights: Mapping[str, float] = DEFAULT_WEIGHTS,
    headroom: int | None = None, on_done: Callable[[int], None] | None = None,
) -> list[list[JudgedMigration]]:  # fmt: skip
    """Complete and judge every entry, `samples` times each; greedy by default.

    With `headroom`, a batch's completions may be that many tokens longer than its longest gold program, so that no batch waits for a
    completion that never ends. `on_done` is called with the number of entries judged since its last call.

    Returns:
        For each entry, in order, its `samples` verdicts.
    """
    sampling = sampling or Sampling(max_new_tokens=320, temperature=0.0)
    judged: list[list[JudgedMigration]] = [[] for _ in entries]
    for chosen in batches(entries, together):
        prompts = [render(tokenizer, entries[i], entries[i].old_code) for i in chosen]
        limit = sampling.max_new_tokens
        if headroom is not None:
            golds = tokenizer([entries[i].new_code for i in chosen], add_special_tokens=False)["input_ids"]
            limit = min(limit, max(map(len, golds)) + headroom)
        drawn = complete(model, tokenizer, prompts, samples, replace(sampling, max_new_tokens=limit))
        for i, completions in zip(chosen, drawn, strict=True):
            judged[i] = [judge(entries[i], completion, weights) for completion in completions]
        if on_done:
            on_done(len(chosen))
    return judged


def batches(entries: Sequence[Migration], together: int = 32) -> list[list[int]]:
    """Return the entries' numbers in batches of similar length, since a batch takes as long as its longest completion."""
    order = sorted(range(len(entries)), key=lambda i: len(entries[i].old_code))
    return [order[start : start + together] for start in range(0, len(order), together)]


def summary(judged: Sequence[JudgedMigration]) -> dict[str, float | int]:
    """Return the means over judged completions, n, and how many could not be graded."""
    graded = [verdict for verdict in judged if verdict.exact is not None]
    if not graded:
        return {"n": 0, "ungradable": len(judged)}
    return {
        "exact": fmean(bool(verdict.exact) for verdict in graded),
        "edit": fmean(verdict.edit or 0.0 for verdict in graded),
        "reward": fmean(verdict.reward or 0.0 for verdict in graded),
        "lift": fmean(verdict.lift or 0.0 for verdict in graded),
        "copy": fmean(verdict.copied for verdict in graded),
        "well_formed": fmean(verdict.well_formed for verdict in graded),
        "reward_of_copying": fmean(verdict.reward_of_copying or 0.0 for verdict in graded),
        "n": len(graded),
        "ungradable": len(judged) - len(graded),
    }


def as_row(judged: JudgedMigration) -> dict[str, Any]:
    """Return a judged completion as a JSON object."""
    return asdict(judged)
