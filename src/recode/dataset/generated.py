"""The made-up test splits: tasks about libraries that do not exist, with names that no model was trained on."""

from __future__ import annotations

import itertools
from pathlib import Path

from recode.invent import generate, generate_no_ops
from recode.records import write_records

SEED = 20250620
TASKS = 240
NO_OPS = 80


def write_generated(out: Path) -> dict[str, int]:
    """Write `test_generated.jsonl` and `no_op_generated.jsonl`, identical on every machine; return how many entries each holds."""
    migrations = itertools.islice(generate(SEED, "test"), TASKS)
    no_ops = itertools.islice(generate_no_ops(SEED, "test"), NO_OPS)
    return {
        "test_generated.jsonl": write_records(out / "test_generated.jsonl", migrations),
        "no_op_generated.jsonl": write_records(out / "no_op_generated.jsonl", no_ops),
    }
