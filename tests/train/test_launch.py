"""What a command starts: it ends with the command, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
