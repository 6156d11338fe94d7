"""Ordinary programs and tests: the sandbox's verdict is plain Python's, and what it cannot say is `ungradable`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from recode.errors import SandboxError
from recode.sandbox.fork_servers import ForkServer, Interpreter, Limits
from recode.sandbox.levels import best_level
from recode.sandbox.second_opinion import judge_test

HERE = Path(__file__).parent
PAIRS: list[dict[str, str]] = [
    json.loads(line)
    for name in ("verdicts.jsonl", "more_verdicts.jsonl")
    if (HERE / name).exists()
    for line in (HERE / name).read_text(encoding="utf-8").splitlines()
]
LIMITS = Limits(seconds=20.0)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ForkServer, ForkServer]]:
    try:
        level = best_level()
    except SandboxError as error:
        pytest.skip(str(error))
    made = tuple(ForkServer(Interpreter(preload=("numpy", "pandas")), level) for _ in range(2))
    yield made[0], made[1]
    for server in made:
        server.stop()


UNGRADABLE: list[str] = []


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["id"] for pair in PAIRS])
def test_plain_pythons_verdict(pair: dict[str, str], servers: tuple[ForkServer, ForkServer]) -> None:
    verdict = judge_test(*servers, pair["program"], pair["test"], LIMITS)
    if verdict.outcome == "ungradable":
        assert verdict.detail
        UNGRADABLE.append(pair["id"])
    else:
        assert (verdict.outcome == "passed") == (pair["plain"] == "passed"), verdict


def test_few_are_ungradable() -> None:
    assert len(UNGRADABLE) <= len(PAIRS) / 10, UNGRADABLE
