"""Runs a command in a copy of a project's folder, with the Python of a given environment.

Of the project, the command can write to the copy only. Unreviewed code runs isolated or not at all: bubblewrap's namespaces, no network,
the system call filter, limits. A command's output and exit status are only the claim of the project's own code, since a test suite
shares its process with the code under test.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from recode.errors import SandboxError
from recode.sandbox.bubblewrap import SYSTEM
from recode.sandbox.environments import Environment
from recode.sandbox.fork_servers import _ONE_THREAD, NOBODY, Interpreter, Level
from recode.sandbox.levels import best_level
from recode.sandbox.supervised import supervised
from recode.sandbox.system_calls import filter_program

PROJECT = "/project"
"""Path of the copy inside an isolated command's sandbox."""
_RESULT = "/result"
_READ_BYTES = 4 << 20


@dataclass(frozen=True)
class TreeLimits:
    """Wall time in seconds; address space per process and size of the largest file, in bytes."""

    seconds: float = 600.0
    memory: int = 16 << 30
    file: int = 1 << 30


@dataclass(frozen=True)
class TreeRun:
    """How a command ended: exit status (None if it timed out and was killed), output, wall time in seconds, and isolation level."""

    status: int | None
    stdout: str
    stderr: str
    seconds: float
    level: Level


def isolation(reviewed: bool) -> Level:
    """Return the level that commands run at: `isolated` if the machine supports namespaces, else `unsafe`.

    Raises:
        SandboxError: the machine supports no namespaces, and the code is not reviewed.
    """
    try:
        if best_level() == "isolated":
            return "isolated"
        reason = "commands in a folder need namespaces"
    except SandboxError as error:
        reason = str(error)
    if not reviewed:
        raise SandboxError(f"model-written code is not run here: {reason}")
    return "unsafe"


def run_in_tree(
    tree: Path, command: str, environment: Environment, *, reviewed: bool, beside: Path, result: Path,
    variables: Mapping[str, str] | None = None, limits: TreeLimits | None = None,
) -> TreeRun:  # fmt: skip
    """Run a shell command in a folder that it may change.

    Args:
        tree: the folder; pass a copy.
        command: a command line for `/bin/sh`.
        environment: the environment whose programs come first on PATH.
        reviewed: whether all code in the folder is the user's own or was produced by rules.
        beside: a folder of modules for Python to find before the project's; variables name it by `{beside}`.
        result: another folder that the command may write to; variables name it by `{result}` and the project by `{project}`.
        variables: extra environment variables.
        limits: the command's resource limits.

    Raises:
        SandboxError: there is no isolation and the code was not reviewed.
    """
    level = isolation(reviewed)
    limits = limits or TreeLimits()
    isolated = level == "isolated"
    names = {
        "project": PROJECT if isolated else str(tree),
        "result": _RESULT if isolated else str(result),
        "beside": "/beside" if isolated else str(beside),
    }
    settings = {name: value.format(**names) for name, value in (variables or {}).items()}
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as seccomp:
        line = ["/bin/sh", "-c", command]
        if isolated:
            seccomp.write(filter_program())
            seccomp.seek(0)
            line = [*_bubblewrap(tree, environment, beside, result, seccomp.fileno()), *line]
        with supervised(
            line, cwd=None if isolated else tree, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
            env=_variables(environment, isolated) | settings, pass_fds=(seccomp.fileno(),) if isolated else (),
            preexec_fn=lambda: _limit(limits),
        ) as process:  # fmt: skip
            try:
                status: int | None = process.wait(limits.seconds)
            except subprocess.TimeoutExpired:
                status = None
        return TreeRun(status, _text(out), _text(errors), time.monotonic() - start, level)


def _variables(environment: Environment, isolated: bool) -> dict[str, str]:
    folder = tempfile.gettempdir() if not isolated else "/tmp"
    return {
        "PATH": f"{environment.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin", "VIRTUAL_ENV": str(environment.folder),
        "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg", **dict.fromkeys(_ONE_THREAD, "1"),
    }  # fmt: skip


def _limit(limits: TreeLimits) -> None:
    seconds = int(limits.seconds) + 1
    for kind, value in (
        (resource.RLIMIT_AS, limits.memory), (resource.RLIMIT_FSIZE, limits.file), (resource.RLIMIT_CPU, seconds * 4), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        hard = resource.getrlimit(kind)[1]
        # Only root may raise a hard limit.
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))


def _bubblewrap(tree: Path, environment: Environment, beside: Path, result: Path, seccomp: int) -> list[str]:
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxError("bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap)")
    line = [
        path, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-ipc", "--unshare-cgroup-try",
        "--uid", str(NOBODY), "--gid", str(NOBODY), "--die-with-parent", "--new-session", "--cap-drop", "ALL",
    ]  # fmt: skip
    for folder in (*SYSTEM, "/etc/passwd", "/etc/group", *Interpreter(str(environment.python)).folders()):
        line += ["--ro-bind-try", folder, folder]
    for secret in Interpreter(str(environment.python)).secrets():
        line += ["--ro-bind", "/dev/null", secret]
    line += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/dev/shm"]
    if str(environment.folder).startswith("/tmp/"):
        # The empty /tmp hides the environment.
        for folder in Interpreter(str(environment.python)).folders():
            line += ["--ro-bind-try", folder, folder]
    line += ["--bind", str(tree), PROJECT, "--bind", str(result), _RESULT, "--ro-bind", str(beside), "/beside"]
    return [*line, "--remount-ro", "/", "--seccomp", str(seccomp), "--chdir", PROJECT, "--"]


def _text(file: IO[bytes]) -> str:
    """Return the last part of the output, up to 4 MiB."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _READ_BYTES))
    return file.read().decode("utf-8", "replace")
