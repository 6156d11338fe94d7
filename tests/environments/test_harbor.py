"""Folders for Harbor: what is in them, what is left out, and the verifier's own verdicts."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from recode.environments import _verify
from recode.environments.grading import Grader
from recode.environments.harbor import export_tasks, task_files
from recode.environments.tasks import MigrationTask, locks_by_digest
from recode.sandbox.environments import Environment
from tests.environments.bubblewrap import AVAILABLE, in_container
from tests.environments.conftest import NEW, OLD, MakeTask


def test_tasks_that_hold_are_written_and_kept(make_task: MakeTask, grader: Grader, tmp_path: Path) -> None:
    no_op = make_task(id="same", old_code=NEW)
    wrong = make_task(id="wrong", stdout="8.0\n")
    seen: list[tuple[int, int]] = []
    tasks = [make_task(), no_op, wrong]
    done = export_tasks(tasks, tmp_path, grader, lambda count, total: seen.append((count, total)))
    assert (done.written, done.kept, done.no_ops, done.failed) == (1, 0, 1, ("wrong",))
    assert seen == [(1, 2), (2, 2)]
    assert [path.name for path in tmp_path.iterdir()] == ["toylib-area-1"]
    folder = tmp_path / "toylib-area-1"
    assert (folder / "environment" / "program.py").read_text() == OLD
    assert (folder / "solution" / "program.py").read_text() == NEW
    assert os.access(folder / "tests" / "test.sh", os.X_OK)
    # A folder that was changed is written again.
    (folder / "instruction.md").write_text("")
    assert export_tasks(tasks[:1], tmp_path, grader).written == 1
    assert export_tasks(tasks[:1], tmp_path, grader).kept == 1


def test_the_configuration_is_toml_whatever_the_description(make_task: MakeTask, grader: Grader) -> None:
    task = make_task(description='A "quoted" \\ name\x7f\n')
    files = task_files(task, locks_by_digest(grader.locks)[task.lock_digest])
    read = tomllib.loads(files["task.toml"])
    assert read["task"] == {
        "name": "recode/toylib-area-1", "version": "1.0.0", "description": task.entry.description,
        "keywords": ["python", "migration", "toylib"],
    }  # fmt: skip
    assert read["verifier"]["environment_mode"] == "separate"
    assert "toylib 2.0 is installed" in files["instruction.md"]
    assert files["environment/requirements.txt"].startswith("toylib==2.0")
    # The agent's container holds nothing that gives the answer away.
    assert not any(NEW in text for path, text in files.items() if path.startswith("environment/"))


@pytest.mark.skipif(not AVAILABLE, reason="the verifier runs as root of its container: needs root and bubblewrap")
@pytest.mark.parametrize(
    ("program", "reward", "reason"),
    [
        (NEW, 1.0, ""),
        (NEW.replace("sides", "s"), 1.0, ""),
        (OLD, 0.0, "AttributeError"),
        (NEW.replace("1.5", "1.0"), 0.0, "prints something else"),
        ("print('7.0')\n", 0.0, "spells out"),
        ("def (", 0.0, "not a program"),
        (NEW + "import os\nos._exit(0)\n", 0.0, "exit status 0"),
        (NEW.replace("print(", "import warnings\nwarnings.warn('old', DeprecationWarning)\nprint("), 0.0, "deprecated"),
        (NEW + "raise SystemExit(1)\n", 0.0, "SystemExit"),
        (None, 0.0, "program.py"),
    ],
)
def test_the_verifier_judges_as_the_reward_does(
    task: MigrationTask, grader: Grader, toy_new: Environment, tmp_path: Path, program: str | None, reward: float, reason: str
) -> None:  # fmt: skip
    for path, text in task_files(task, locks_by_digest(grader.locks)[task.lock_digest]).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for name in ("app", "logs"):
        (tmp_path / name).mkdir()
    (tmp_path / "tests").chmod(0o700)
    if program is not None:
        (tmp_path / "app" / "program.py").write_text(program)
    command = [
        *in_container(toy_new, tmp_path, "/app"),
        str(toy_new.python),
        "/tests/verify.py",
        "/app/program.py",
        "/logs",
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert float((tmp_path / "logs" / "reward.txt").read_text()) == reward
    assert reason in (tmp_path / "logs" / "reason.txt").read_text()


def test_the_verifier_needs_the_standard_library_and_its_own_files_only() -> None:
    source = inspect.getsource(_verify)
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.parse(source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    names = {name.partition(".")[0] for name in names}
    assert names - set(sys.stdlib_module_names) == {"recode"}
