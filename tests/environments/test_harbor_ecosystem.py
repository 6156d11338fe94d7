"""Exported folders with the real `harbor`: its loader, its linter, and its trials with the oracle and with an agent that does nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recode.environments.grading import Grader
from recode.environments.harbor import export_tasks
from recode.environments.tasks import load_tasks
from recode.errors import SandboxError
from tests.environments.bubblewrap import AVAILABLE

pytestmark = pytest.mark.ecosystem
harbor = pytest.importorskip("harbor", reason="harbor is not installed; run: make test-ecosystem")

SPLIT, EACH = "@validation", 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Tasks of as many libraries as there are, one each."""
    by_library = {task.entry.library: task for task in load_tasks(SPLIT).tasks}
    out = tmp_path_factory.mktemp("harbor")
    try:
        with Grader() as grader:
            done = export_tasks(list(by_library.values())[:EACH], out, grader)
    except SandboxError as error:
        pytest.skip(str(error))
    assert done.failed == ()
    assert done.written >= 10
    return sorted(out.iterdir())


def test_the_loader_and_the_linter_accept_every_folder(folders: list[Path]) -> None:
    from harbor.models.task.task import Task

    for folder in folders:
        assert Task.is_valid_dir(folder)
        task = Task(folder)
        assert task.name == f"recode/{folder.name}"
        assert "/app/program.py" in task.instruction
    lint = [Path(sys.executable).with_name("harbor"), "lint", *folders]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout


@pytest.mark.skipif(not AVAILABLE, reason="needs bubblewrap, and root as in a container")
def test_trials_of_the_oracle_score_one_and_of_no_agent_zero(folders: list[Path], tmp_path: Path) -> None:
    async def rewards(agent: str) -> list[float]:
        return [await trial(folder, agent, tmp_path / agent) for folder in folders]

    assert asyncio.run(rewards("oracle")) == [1.0] * len(folders)
    assert asyncio.run(rewards("nop")) == [0.0] * len(folders)


async def trial(folder: Path, agent: str, out: Path) -> float:
    """Run one trial; return its reward."""
    from harbor.models.trial.config import AgentConfig, EnvironmentConfig, TaskConfig, TrialConfig
    from harbor.trial.trial import Trial

    config: Any = TrialConfig(
        task=TaskConfig(path=folder),
        trials_dir=out,
        agent=AgentConfig(name=agent),
        environment=EnvironmentConfig(import_path="tests.environments.bubblewrap_environment:BubblewrapEnvironment"),
    )
    result = await (await Trial.create(config)).run()
    assert result.exception_info is None, result.exception_info
    assert result.verifier_result is not None
    return float(result.verifier_result.rewards["reward"])
