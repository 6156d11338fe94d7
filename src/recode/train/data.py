"""Which prompts a run trains on, and in which order. It is decided before the first step and depends on the recipe alone."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recode.dataset.note_levels import NoteLevel, at_level, read_notes
from recode.errors import RecipeError
from recode.invent import (
    already_migrated,
    generate,
    generate_hard_no_ops,
    generate_no_ops,
    gold_completion,
    grounded_completion,
    reserved_names,
)  # fmt: skip
from recode.invent.names import Namer
from recode.invent.retold import retell_any
from recode.models import render
from recode.records import Migration, read_records
from recode.rewards import copy_baseline, gradable
from recode.shipped import shipped
from recode.train.recipes import RewardTerms, TrainingData


@dataclass(frozen=True)
class Prompts:
    """The training entries by kind, each as a row for a trainer."""

    migrations: list[dict[str, Any]]
    no_ops: list[dict[str, Any]]
    skipped: int
    """Entries left out because the prompt is too long, the gold program cannot be graded, or there is no note at a level asked for."""


def load_prompts(data: TrainingData, tokenizer: Any, seed: int, reward: RewardTerms | None = None) -> Prompts:
    """Read, make up and render the training entries.

    Args:
        data: the recipe's `[data]`.
        tokenizer: renders prompts and counts their tokens.
        seed: the recipe's.
        reward: the reward whose value for copying the old code goes into the column `copy`; None for the default reward.


    Raises:
        RecipeError: no entry is left to train on.
        RecordError: a file holds a bad line.
    """
    real = _read(data.migrations, data.part)
    unchanged = _read(data.no_ops, data.part)
    made = [*itertools.islice(generate(seed, "train"), data.generated), *_retold(real, data.retold, seed)]
    # The same ratio of no-ops to migrations as in the real data.
    made_no_ops = [
        *itertools.islice(generate_no_ops(seed, "train"), data.generated // 3),
        *_hard(real, data.hard_no_ops, seed),
    ]
    migrations = [row for entry in [*real, *made] if (row := _row(entry, tokenizer, data, seed, reward))]
    no_ops = [row for entry in [*unchanged, *made_no_ops] if (row := _row(entry, tokenizer, data, seed, reward))]
    if not migrations:
        raise RecipeError("data: no entry to train on; check `data.migrations` and `data.max_prompt_tokens`")
    if data.no_op_share > 0 and not no_ops:
        raise RecipeError("data: no_op_share is above 0 and there is no no-op entry; name files in `data.no_ops`")
    total = len(real) + len(unchanged) + len(made) + len(made_no_ops)
    return Prompts(migrations, no_ops, total - len(migrations) - len(no_ops))


def _read(paths: Sequence[str], part: tuple[float, float]) -> list[Migration]:
    """Return the files' entries whose family is in this part; a hash of the family's name places it."""
    entries = [entry for path in paths for entry in read_records(shipped(path), Migration)]
    return [entry for entry in entries if part[0] <= _place(entry.family_id) < part[1]]


def _place(family: str) -> float:
    """Return a family's place between 0 and 1, the same in every file and release."""
    return int.from_bytes(hashlib.sha256(family.encode()).digest()[:4], "big") / 2**32


def _retold(real: Sequence[Migration], count: int, seed: int) -> list[Migration]:
    """Return migrations of the shape of the real ones, about libraries that do not exist."""
    rng = random.Random(f"retold-{seed}")
    entries: list[Migration] = []
    while real and len(entries) < count:
        entry = retell_any(real, rng, Namer(rng, "train", reserved_names()), 0.0)
        if entry is not None:
            entries.append(entry.model_copy(update={"id": f"{entry.id}-{len(entries)}"}))
    return entries


def _hard(real: Sequence[Migration], count: int, seed: int) -> list[Migration]:
    """Return no-ops that no search for a name recognises: a third of them real programs that follow their note already."""
    rng = random.Random(f"hard-{seed}")
    own = [already_migrated(entry) for entry in rng.sample(list(real), min(len(real), count // 3))]
    return [*own, *itertools.islice(generate_hard_no_ops(seed, "train"), count - len(own))]


def _gold(entry: Migration, data: TrainingData, seed: int) -> str:
    if data.thoughts == "sentence":
        return gold_completion(entry, random.Random(f"{seed}-{entry.id}"))
    return grounded_completion(entry, data.thoughts)


def _row(
    entry: Migration, tokenizer: Any, data: TrainingData, seed: int, reward: RewardTerms | None
) -> dict[str, Any] | None:
    noted = _at_drawn_level(entry, data.notes, seed)
    if noted is None:
        return None
    entry = noted
    prompt = render(tokenizer, entry, entry.old_code)
    gold = _gold(entry, data, seed)
    lengths = [len(ids) for ids in tokenizer([prompt, gold], add_special_tokens=False)["input_ids"]]
    too_long = lengths[0] > data.max_prompt_tokens or sum(lengths) > (data.max_example_tokens or math.inf)
    if too_long or not gradable(entry.new_code):
        return None
    reward = reward or RewardTerms()
    weights = {str(name): weight for name, weight in reward.weights.items()}
    runs = entry.stdout is not None and entry.locks is not None
    baseline = copy_baseline(entry.new_code, entry.old_code, reward.family, weights, runs=runs)
    return {
        "prompt": prompt,
        "target": entry.new_code,
        "old_code": entry.old_code,
        "gold": gold,
        "copy": baseline.total or 0.0,
        "id": entry.id,
        "stdout": entry.stdout,
        "lock": entry.locks[1] if entry.locks else None,
        "module": entry.old_symbol.package,
        "release": f"{entry.library} {entry.new_version}",
    }


def _at_drawn_level(entry: Migration, weights: Mapping[NoteLevel, float], seed: int) -> Migration | None:
    """Return the entry with its note at the level drawn for it among those that it has; None if it has none of them."""
    levels = sorted(level for level, weight in weights.items() if weight > 0)
    if levels == ["tailored"]:
        return entry
    notes = read_notes(shipped("data"))
    found = {level: noted for level in levels if (noted := at_level(entry, level, notes)) is not None}
    if not found:
        return None
    rng = random.Random(f"notes-{seed}-{entry.id}")
    return found[rng.choices(list(found), [weights[level] for level in found])[0]]


def plan(prompts: Prompts, steps: int, per_step: int, no_op_share: float, seed: int) -> list[dict[str, Any]]:
    """Return the rows of a whole run, `per_step` for each step, with a share of no-ops in every step.

    Both kinds are drawn in shuffled rounds, so that every entry is seen once before any is seen again.
    """
    rng = random.Random(f"plan-{seed}")
    migrations, no_ops = _rounds(prompts.migrations, rng), _rounds(prompts.no_ops, rng)
    rows: list[dict[str, Any]] = []
    owed = 0.0
    for _ in range(steps):
        owed += per_step * no_op_share if prompts.no_ops else 0.0
        unchanged = int(owed)
        owed -= unchanged
        step = [next(no_ops) for _ in range(unchanged)] + [next(migrations) for _ in range(per_step - unchanged)]
        rng.shuffle(step)
        rows += step
    return rows


def _rounds(rows: list[dict[str, Any]], rng: random.Random) -> Any:
    while True:
        order = list(rows)
        rng.shuffle(order)
        yield from order
