"""What a command starts: it ends with the command, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recode.errors import MissingExtraError
from recode.train import launch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")


def runs(pid: int) -> bool:
    try:
        # Whoever adopted it may not have buried it yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_trainer_ends_when_the_command_is_killed() -> None:
    trainer = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    code = f"import sys; from pathlib import Path; from recode.train import launch; launch._run([sys.executable, '-c', {trainer!r}], Path('.'))"
    command = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    pid = int(command.stdout.readline())
    assert runs(pid)
    command.send_signal(signal.SIGKILL)
    command.wait()
    until = time.monotonic() + 10
    while runs(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not runs(pid)


def test_a_trainer_does_not_begin_when_the_command_has_ended_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 0)
    ends = launch._ends_with_this_process()
    monkeypatch.undo()
    done = subprocess.run([sys.executable, "-c", "print('trained')"], capture_output=True, check=False, preexec_fn=ends)
    assert (done.returncode, done.stdout) == (1, b"")


BLOCKED = "import sys; sys.modules.update(dict.fromkeys({modules!r})); sys.argv = ['recode', *sys.argv[1:]]; "
ROOT = Path(__file__).parents[2]


def without(modules: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as it is where these packages are not installed."""
    code = BLOCKED.format(modules=modules) + "from recode.cli.app import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_without_the_train_extra_training_is_one_line_and_a_dry_run_works(tmp_path: Path) -> None:
    recipe = str(ROOT / "recipes" / "quickstart" / "grpo.toml")
    modules = ["torch", "transformers", "trl", "datasets", "peft", "accelerate"]
    done = without(modules, "train", recipe, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "training needs torch" in done.stderr.replace("\n", " ")
    assert "recode-rl[train]" in done.stderr.replace("\n", "")
    assert not (tmp_path / "run").exists()
    shown = without(modules, "train", recipe, "--out", str(tmp_path / "run"), "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "recode" in shown.stdout


@pytest.mark.parametrize("module", ["trl", "peft"])
def test_a_part_of_the_extra_that_is_missing_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"training needs {module}.*recode-rl\[train\]"):
        launch.check_installed()
