"""Neighbours are not starved, weaker levels are chosen, and what is not a program's business cannot be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recode.errors import SandboxError
from recode.sandbox import levels
from recode.sandbox.fork_servers import ForkServer, Interpreter, Level, Limits
from recode.sandbox.judging import Call, judge_calls
from recode.sandbox.levels import Tried, best_level
from recode.sandbox.pool import ProgramTask, judge_all

HOG = """
import os, time
for _ in range(14):
    if os.fork() == 0:
        try:
            os.setsid()
        except OSError:
            pass
        while True: pass
def f(x):
    while True: pass
"""
BUSY = "def f(x):\n    n = 0\n    for i in range(4_000_000): n += i & x\n    return x\n"


@pytest.fixture(autouse=True)
def isolated() -> None:
    try:
        best_level()
    except SandboxError as error:
        pytest.skip(str(error))


def test_honest_neighbours_are_not_starved() -> None:
    tasks = []
    for number in range(6):
        tasks += [
            ProgramTask(id=f"hog {number}", program=HOG, entry_point="f", calls=(Call(args=(1,), expected=1),)),
            ProgramTask(id=f"busy {number}", program=BUSY, entry_point="f", calls=(Call(args=(1,), expected=1),)),
        ]
    verdicts = judge_all(tasks, limits=Limits(seconds=2.5), workers=4)
    outcomes = {task.id: verdict.outcome for task, verdict in zip(tasks, verdicts, strict=True) if verdict}
    assert {outcomes[name] for name in outcomes if name.startswith("busy")} == {"passed"}
    assert "passed" not in {outcomes[name] for name in outcomes if name.startswith("hog")}


def test_the_weaker_level_is_chosen_and_never_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_reduced(level: Level) -> Tried:
        return Tried(level, level == "reduced", "" if level == "reduced" else "no namespaces")

    monkeypatch.setattr(levels, "try_level", only_reduced)
    monkeypatch.delenv(levels.CHOICE, raising=False)
    levels._best_level.cache_clear()
    try:
        with pytest.raises(SandboxError, match="RECODE_SANDBOX=reduced"):
            best_level()
        assert best_level(accept_reduced=True) == "reduced"
        monkeypatch.setenv(levels.CHOICE, "reduced")
        assert best_level() == "reduced"
    finally:
        levels._best_level.cache_clear()


LOOKS = """
import ctypes, os
def f(path):
    l = ctypes.CDLL(None, use_errno=True)
    try:
        seen = open(path).read()
    except OSError:
        seen = ""
    buffer = ctypes.create_string_buffer(4096)
    x86 = os.uname().machine == "x86_64"
    return [seen, l.syscall(154, 1, buffer, 16) if x86 else -1, l.syscall(458, buffer, buffer, 10, 0), l.syscall(457, buffer, buffer, 512, 0)]
"""


@pytest.mark.parametrize("level", ["isolated", "reduced"])
def test_tokens_and_mounts_cannot_be_read(level: Level, tmp_path_factory: pytest.TempPathFactory) -> None:
    if level == "reduced" and not levels.try_level("reduced").holds:
        pytest.skip("no Landlock")
    folder = Path(tmp_path_factory.mktemp("venv", numbered=True)) / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (folder / "pip.conf").write_text("[global]\nindex-url = https://token@example.org\n")
    fork_server = ForkServer(Interpreter(str(folder / "bin" / "python")), level)
    try:
        calls = [Call(args=(str(folder / "pip.conf"),), expected=["", -1, -1, -1])]
        assert judge_calls(fork_server, LOOKS, "f", calls, Limits(seconds=20)).outcome == "passed"
    finally:
        fork_server.stop()


SHARED = """
import ctypes, os, resource, socket
def f(path, pid):
    done = []
    for name, act in {
        "chmod": lambda: os.chmod(path, 0o4777), "own chmod": lambda: (open("x", "w").close(), os.chmod("x", 0o4755)),
        "chown": lambda: os.chown(path, 1, 1), "times": lambda: os.utime(path), "attribute": lambda: os.setxattr(path, "user.a", b"b"),
        "limits": lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (5, 5)), "priority": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        "affinity": lambda: os.sched_setaffinity(pid, {0}), "socket": lambda: socket.socket(socket.AF_UNIX).connect(path + ".socket"),
        "signal": lambda: os.kill(pid, 0),
    }.items():
        try:
            act()
            done.append(name)
        except OSError:
            pass
    return done
"""


def test_reduced_leaves_the_hosts_files_and_processes_alone(tmp_path: Path) -> None:
    if not levels.try_level("reduced").holds:
        pytest.skip("no Landlock")
    file = tmp_path / "file"
    file.write_text("x")
    fork_server = ForkServer(Interpreter(), "reduced")
    try:
        calls = [Call(args=(str(file), os.getpid()), expected=[])]
        verdict = judge_calls(fork_server, SHARED, "f", calls, Limits(seconds=20))
        assert verdict.outcome == "passed", verdict
    finally:
        fork_server.stop()
    assert file.stat().st_mode & 0o7777 == 0o644


HOPPER = """
import os, time
def f():
    if os.fork() == 0:
        while True:
            if os.fork() != 0: os._exit(0)
    while True: time.sleep(1)
"""


def test_a_fork_hopping_child_ends_with_its_program() -> None:
    for level in ("isolated", "reduced"):
        if not levels.try_level(level).holds:
            continue
        fork_server = ForkServer(Interpreter(), level)
        try:
            began = time.monotonic()
            assert judge_calls(fork_server, HOPPER, "f", [Call(expected=1)], Limits(seconds=1)).outcome != "passed"
            assert time.monotonic() - began < 15
            verdict = judge_calls(fork_server, "def f(): return 1", "f", [Call(expected=1)], Limits(seconds=10))
            assert verdict.outcome == "passed"
        finally:
            fork_server.stop()


def test_another_program_is_no_python() -> None:
    with pytest.raises(SandboxError, match="not a Python"):
        Interpreter("/bin/true").require_python()
    Interpreter(sys.executable).require_python()


def test_a_verdict_is_written_as_soon_as_it_is_there(tmp_path: Path) -> None:
    tasks = [
        {"id": "fast", "program": "def f(): return 1", "entry_point": "f", "calls": [{"expected": 1}]},
        {
            "id": "slow",
            "program": "import time\ndef f(): time.sleep(60)",
            "entry_point": "f",
            "calls": [{"expected": 1}],
        },
    ]
    file = tmp_path / "tasks.jsonl"
    file.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    command = [sys.executable, "-m", "recode", "sandbox", "run", str(file), "--limit", "60", "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        assert json.loads(run.stdout.readline())["id"] == "fast"
        run.kill()
