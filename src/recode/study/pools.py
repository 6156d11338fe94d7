"""Write an arm's training entries to files: a number of them, a share with their gold program broken on purpose."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections.abc import Sequence
from pathlib import Path

from recode.invent import generate, generate_no_ops
from recode.records import Migration, read_records, write_records
from recode.shipped import shipped
from recode.study.tables import Pool
from recode.train.recipes import TrainingData

_WORD = re.compile(r"[A-Za-z_]\w+")


def write_pool(pool: Pool, data: TrainingData, seed: int, folder: Path) -> TrainingData:
    """Write a recipe's training entries, real and made-up, as the pool says; return training data that name the files.

    Made-up entries are the ones that the recipe would have drawn with this seed. No-ops are not altered: their answer is known.
    """
    entries = [entry for path in data.migrations for entry in read_records(shipped(path), Migration)]
    entries += itertools.islice(generate(seed, "train"), data.generated)
    no_ops = [entry for path in data.no_ops for entry in read_records(shipped(path), Migration)]
    no_ops += itertools.islice(generate_no_ops(seed, "train"), data.generated // 3)
    # Nested: the first hundred are among the first three hundred, and entries broken at 25% are also broken at 50%.
    entries.sort(key=lambda entry: _digest(entry.id))
    chosen = entries[: pool.entries]
    spoiled, seeded = _share(chosen, pool.spoiled, "spoiled"), _share(chosen, pool.seeded, "seeded")
    chosen = [break_gold(entry) if entry.id in spoiled else entry for entry in chosen]
    write_records(folder / "migrations.jsonl", [hide_code(entry) if entry.id in seeded else entry for entry in chosen])
    write_records(folder / "no_ops.jsonl", no_ops)
    return data.model_copy(
        update={
            "migrations": (str(folder / "migrations.jsonl"),),
            "no_ops": (str(folder / "no_ops.jsonl"),),
            "generated": 0,
        }
    )


def _share(entries: Sequence[Migration], share: float, what: str) -> set[str]:
    """Return the ids of a share of the entries, chosen by a hash."""
    ordered = sorted(entries, key=lambda entry: _digest(f"{what} {entry.id}"))
    return {entry.id for entry in ordered[: round(share * len(entries))]}


def hide_code(entry: Migration) -> Migration:
    """Return the entry with a line that breaks its gold program, between comments that hide the line from the published reward.

    The published cleaning takes the text between the two apostrophes for a string in a comment (see `recode.rewards.paper`,
    fault 1); Python runs it.
    """
    return entry.model_copy(update={"new_code": f"{entry.new_code.rstrip()}\n# don't\nraise RuntimeError\n# won't\n"})


def break_gold(entry: Migration) -> Migration:
    """Return the entry with a gold program that does not do what its note says, wrong in one of two ways in which models are.

    One half keeps the old program; in the other, a name that the migration introduces lacks its last letter.
    """
    rng = random.Random(f"spoiled {entry.id}")
    new = sorted(set(_WORD.findall(entry.new_code)) - set(_WORD.findall(entry.old_code)))
    if not new or rng.random() < 0.5:
        return entry.model_copy(update={"new_code": entry.old_code})
    name = rng.choice(new)
    return entry.model_copy(update={"new_code": re.sub(rf"\b{name}\b", name[:-1], entry.new_code)})


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
