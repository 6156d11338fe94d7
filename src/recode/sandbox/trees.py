"""Running a command in a copy of a project's folder, with the Python of a given environment.

The copy is the only folder it can write. What nobody has read runs isolated or not at all: namespaces by bubblewrap, no network, the
system call filter, limits. What a command prints and how it exits is what the project's own code says: a test suite shares its process
with the code that it tests.
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
from recode.sandbox.environments import Environment
from recode.sandbox.fork_servers import _ONE_THREAD, _SYSTEM, NOBODY, Interpreter, Level
from recode.sandbox.levels import best_level
from recode.sandbox.supervised import supervised
from recode.sandbox.system_calls import filter_program

PROJECT = "/project"
"""Where an isolated command sees its copy of the project."""
_RESULT = "/result"
_READ_BYTES = 4 << 20


@dataclass(frozen=True)
class TreeLimits:
    """Wall time in seconds; address space of a process and largest file in bytes."""

    seconds: float = 600.0
    memory: int = 16 << 30
    file: int = 1 << 30


@dataclass(frozen=True)
class TreeRun:
    """How a command ended: its exit status (None: killed for its time), what it printed, and under which isolation."""

    status: int | None
    stdout: str
    stderr: str
    seconds: float
    level: Level


def isolation(reviewed: bool) -> Level:
    """Return the level that commands run at: namespaces where the machine has them.

    Raises:
        SandboxError: there are none, and the code is not reviewed.
    """
    try:
        if best_level() == "isolated":
            return "isolated"
        reason = "commands over a folder need namespaces"
    except SandboxError as error:
        reason = str(error)
    if not reviewed:
        raise SandboxError(f"model-written code is not run here: {reason}")
    return "unsafe"


def run_in_tree(
    tree: Path, command: str, environment: Environment, *, reviewed: bool, beside: Path, result: Path,
    variables: Mapping[str, str] | None = None, limits: TreeLimits | None = None,
) -> TreeRun:  # fmt: skip
    """Run a shell command in a folder, which it may change.

    Args:
        tree: the folder; give a copy.
        command: for `/bin/sh`.
        environment: whose programs come first on the path.
        reviewed: whether all code in the folder is the user's own or was made by rules.
        beside: a folder of modules that Python finds before the project's.
        result: a folder that the command may write besides; variables name it by `{result}` and the project by `{project}`.
        variables: of the environment, besides the usual ones.
        limits: what it may use.

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
        # Nobody but root may go beyond what the machine allows this process.
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
    for folder in (*_SYSTEM, "/etc/passwd", "/etc/group", *Interpreter(str(environment.python)).folders()):
        line += ["--ro-bind-try", folder, folder]
    for secret in Interpreter(str(environment.python)).secrets():
        line += ["--ro-bind", "/dev/null", secret]
    line += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/dev/shm"]
    if str(environment.folder).startswith("/tmp/"):
        # The empty /tmp hides it.
        for folder in Interpreter(str(environment.python)).folders():
            line += ["--ro-bind-try", folder, folder]
    line += ["--bind", str(tree), PROJECT, "--bind", str(result), _RESULT, "--ro-bind", str(beside), "/beside"]
    return [*line, "--remount-ro", "/", "--seccomp", str(seccomp), "--chdir", PROJECT, "--"]


def _text(file: IO[bytes]) -> str:
    """Return the end of what was printed."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _READ_BYTES))
    return file.read().decode("utf-8", "replace")
