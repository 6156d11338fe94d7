"""The OpenEnv server with its real client, on ten tasks and more: gold programs score 1, untouched ones 0."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from recode.environments.tasks import MigrationTask, load_tasks

pytestmark = pytest.mark.ecosystem
pytest.importorskip("openenv", reason="openenv is not installed; run: make test-ecosystem")

SPLIT, EACH = "@validation", 12


@pytest.fixture(scope="module")
def tasks() -> list[MigrationTask]:
    """A task of every library, with its index."""
    return list(load_tasks(SPLIT).tasks)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own process, at a free port."""
    log = tmp_path_factory.mktemp("openenv") / "log"
    command = [sys.executable, "-m", "recode", "openenv", "--tasks", SPLIT, "--port", "0"]
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file, env=os.environ) as process:
        try:
            yield _address(log, process)
        finally:
            process.terminate()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(r"http://[\d.]+:\d+", log.read_text()):
            return match[0]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_gold_programs_score_one_and_untouched_ones_zero(url: str, tasks: list[MigrationTask]) -> None:
    from openenv import GenericEnvClient

    by_library = {task.entry.library: index for index, task in enumerate(tasks)}
    with GenericEnvClient(base_url=url).sync() as client:
        for index in list(by_library.values())[:EACH]:
            entry = tasks[index].entry
            asked = client.reset(index=index)
            assert entry.old_code.strip() in asked.observation["text"]
            ran = client.step({"kind": "run", "program": entry.old_code})
            assert not ran.done
            assert entry.new_version in ran.observation["text"]
            assert client.state()["runs_left"] == 0
            ended = client.step({"kind": "submit", "program": entry.new_code})
            assert (ended.done, ended.reward) == (True, 1.0)
            assert ended.observation["terms"] == {"format": 1.0, "exact": 1.0, "execution": 1.0}
            client.reset(index=index)
            ended = client.step({"kind": "submit", "program": entry.old_code})
            assert (ended.done, ended.reward) == (True, 0.0)
    assert len(by_library) >= 10


def test_two_sessions_do_not_share_an_episode(url: str, tasks: list[MigrationTask]) -> None:
    from openenv import GenericEnvClient

    with GenericEnvClient(base_url=url).sync() as one, GenericEnvClient(base_url=url).sync() as other:
        one.reset(index=0)
        other.reset(index=1)
        assert one.state()["task_id"] == tasks[0].id
        assert other.state()["task_id"] == tasks[1].id
        assert one.step({"kind": "submit", "program": tasks[0].entry.new_code}).reward == 1.0
        assert other.step({"kind": "submit", "program": tasks[0].entry.new_code}).reward == 0.0


def test_tasks_can_be_listed(url: str, tasks: list[MigrationTask]) -> None:
    answer = httpx.post(f"{url}/recode_migrations/num_tasks", json={"split": "validation"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"num_tasks": len(tasks)}
