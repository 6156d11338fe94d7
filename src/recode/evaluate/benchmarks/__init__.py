"""The benchmarks by name. To add one: a module here, a line in `BENCHMARKS`, a test."""

from __future__ import annotations

import importlib
from pathlib import Path

from recode.dataset.note_levels import LEVELS
from recode.errors import RecodeError
from recode.evaluate.benchmark import Benchmark
from recode.shipped import shipped

_HERE = "recode.evaluate.benchmarks"

BENCHMARKS: dict[str, str] = {
    "migrations": "migrations.Migrations",
    "test_generated": "migrations.Migrations",
    "test_updates": "migrations.Migrations",
    "test_libraries": "migrations.Migrations",
    "test_updates_composed": "migrations.Migrations",
    "test_libraries_composed": "migrations.Migrations",
    "no_op": "migrations.Migrations",
    "no_op_hard": "migrations.Migrations",
    "validation": "migrations.Migrations",
    "humaneval": "humaneval.HumanEval",
    "humanevalplus": "humanevalplus.HumanEvalPlus",
    "codeupdatearena": "codeupdatearena.CodeUpdateArena",
    "codeupdatearena_without_note": "codeupdatearena.CodeUpdateArena",
    "gitchameleon": "gitchameleon.GitChameleon",
}
"""Each name and its class, as `module.Class` in this package.

The project's own splits can be read with their notes at another level (`recode.dataset.note_levels`): `test_updates@section`.
"""


def is_benchmark(name: str) -> bool:
    """Say whether a name is that of a benchmark, or of one at a level of the notes."""
    base, at, level = name.partition("@")
    return base in BENCHMARKS and (not at or (level in LEVELS and has_levels(base)))


def has_levels(name: str) -> bool:
    """Say whether a benchmark's notes can be had at several levels."""
    return BENCHMARKS.get(name.partition("@")[0], "").startswith("migrations.")


def open_benchmark(name: str, data: str | None = None, folder: Path | None = None) -> Benchmark:
    """Return a benchmark with its items.

    Args:
        name: one of `BENCHMARKS`.
        data: a path or hub name; None for the benchmark's default.
        folder: the folder of the project's own data; None for the shipped one.

    Raises:
        RecodeError: there is no such benchmark, or its files are missing or bad.
    """
    if not is_benchmark(name):
        raise RecodeError(
            f"no benchmark is called `{name}`; choose from {', '.join(BENCHMARKS)}; the project's own splits also as "
            f"NAME@LEVEL, with one of {', '.join(LEVELS)}"
        )
    return benchmark_class(name).open(name, data, shipped("data") if folder is None else folder)


def benchmark_class(name: str) -> type[Benchmark]:
    """Return the class of a known benchmark."""
    module, _, kind = BENCHMARKS[name.partition("@")[0]].rpartition(".")
    found: type[Benchmark] = getattr(importlib.import_module(f"{_HERE}.{module}"), kind)
    return found
