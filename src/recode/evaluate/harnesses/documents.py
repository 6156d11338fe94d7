"""The project's own splits as documents for another harness, and the scores of a completion of one."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

from recode.errors import RecodeError
from recode.evaluate.benchmark import Benchmark, Item, Judgement
from recode.evaluate.benchmarks import has_levels, is_benchmark, open_benchmark
from recode.prompts import response
from recode.sandbox.verdict import Outcome

SPLITS = ("test_generated", "test_updates", "test_libraries", "no_op")
SCORES = ("passed", "exact", "edit", "format", "execution", "lift", "copy", "graded")
"""The scores, each from 0 to 1 but `lift`, which is negative for what is worse than the old code. One that cannot be graded is left out;
`graded` is 0 for a completion of which nothing can be said, and 1 otherwise."""
TASKS = Path(__file__).parent / "tasks"
"""The folder of lm-eval's task files."""
_OPENING = threading.Lock()


@functools.lru_cache(maxsize=16)
def _opened(name: str, data: str | None) -> tuple[Benchmark, dict[str, Item]]:
    if not is_benchmark(name) or not has_levels(name):
        raise RecodeError(f"no split is called `{name}`; choose from {', '.join(SPLITS)}, each also as NAME@LEVEL")
    benchmark = open_benchmark(name, data)
    return benchmark, {item.id: item for item in benchmark.items if not item.unavailable}


def _benchmark(name: str, data: str | None) -> tuple[Benchmark, dict[str, Item]]:
    with _OPENING:
        return _opened(name, data)


def documents(name: str, *, data: str | None = None) -> list[dict[str, Any]]:
    """Return the entries of a split, or of a file of records, as plain documents.

    Each has `benchmark`, `data` and `id`, the text of the `system` and the `user` turn, the `prefill` of the assistant\'s turn, and as `gold` a
    right completion.

    Raises:
        RecodeError: there is no such split, or a line is bad.
    """
    found = []
    for item in _benchmark(name, data)[1].values():
        turns = dict(item.prompt.messages)
        found.append(
            {
                "benchmark": name, "data": data or "", "id": item.id, "system": turns["system"], "user": turns["user"],
                "prefill": item.prompt.prefill, "gold": response("", item.gold), "library": item.library,
            }
        )  # fmt: skip
    return found


def scores(document: dict[str, Any], completion: str) -> dict[str, float]:
    """Return the scores of a completion, which continues the document\'s prefill. Real programs run in the sandbox.

    Raises:
        SandboxError: this machine supports no isolation.
    """
    benchmark, items = _benchmark(document["benchmark"], document["data"] or None)
    (judgement,) = benchmark.judge([(items[document["id"]], completion)], lambda _: None)
    return _scores(judgement)


def _scores(judgement: Judgement) -> dict[str, float]:
    if judgement.outcome is Outcome.UNGRADABLE:
        return {"graded": 0.0}
    known = {name: score for name, score in judgement.scores.items() if score is not None and name in SCORES}
    return {"passed": float(judgement.outcome is Outcome.PASSED), **known, "graded": 1.0}
