"""The fork server inside a sandbox: it imports libraries once and runs each program in a fork with its own namespaces.

usage: python -I _fork_server.py CONTROL_FD

This process never runs program code itself. It forks one child per program, directly into new user, pid, mount and ipc namespaces where
the level allows it, watches its time, memory and processes, and reports how it ended. Judging the program's values is up to the host.
Standard library only: it runs in environments without recode.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.sandbox.guest import _child
else:
    # Inside the sandbox there is no recode, only this folder.
    sys.path.insert(0, str(Path(__file__).parent))
    import _child

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE = {"x86_64": 56, "aarch64": 220}
_NAMESPACES = 0x10000000 | 0x20000000 | 0x00020000 | 0x08000000
"""New user, pid, mount and ipc namespaces."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_POLL_SECONDS = 0.02
_MESSAGE_BYTES = 1 << 16
_NICE = 15
_NEW_PIDS = 0x20000000


def fork(namespaces: int) -> int:
    """Fork, with the child in new namespaces of these kinds; return the child's pid, or 0 in the child.

    Python's `os.fork` does not support namespaces, and calling unshare first would take two forks per program.
    """
    if not namespaces:
        return os.fork()
    number = _CLONE[os.uname().machine]
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = int(_LIBC.syscall(number, namespaces | signal.SIGCHLD, 0, 0, 0, 0))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    error = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, os.strerror(error))
    return pid


class Watch:
    """Waits for a child and enforces the limits of wall time, memory and processes on it and everything it started."""

    def __init__(self, pid: int, control: socket.socket, job: dict[str, Any], alone: bool) -> None:
        self._pid, self._control, self._job = pid, control, job
        self._alone = alone
        """Whether all processes in this namespace but the server's belong to the program."""
        self._started = time.monotonic()
        self._deadline = self._started + job["seconds"]
        self._reniced: set[int] = set()

    def wait(self) -> dict[str, Any]:
        """Wait until the child ends or must be killed; return exit status, reason for the kill if any, and times in seconds."""
        killed = None
        handle = os.pidfd_open(self._pid)
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        poller.register(self._control, select.POLLIN)
        pause = _POLL_SECONDS
        try:
            while killed is None:
                left = self._deadline - time.monotonic()
                ready = {number for number, _ in poller.poll(max(0.0, min(pause, left)) * 1000)}
                if handle in ready:
                    break
                if ready:
                    # The host needs nothing more, or is gone.
                    killed = "host"
                    self._control.recv(_MESSAGE_BYTES)
                elif left <= 0:
                    killed = self._out_of_time()
                else:
                    begin = time.monotonic()
                    killed = self._beyond_limits()
                    pause = max(_POLL_SECONDS, 4 * (time.monotonic() - begin))
        finally:
            os.close(handle)
        waited = _waited(self._pid) if killed == "timeout" else 0.0
        if killed:
            self._kill()
        _, status = os.waitpid(self._pid, 0)
        if not self._alone:
            _reap_strays()
        ended = os.waitstatus_to_exitcode(status)
        if killed == "host" and ended != -signal.SIGKILL:
            # The child's channel closes a moment before its process ends: it was ending by itself.
            killed = None
        return {
            "status": ended,
            "killed": killed,
            "seconds": round(time.monotonic() - self._started, 4),
            "waited": waited,
        }

    def _out_of_time(self) -> str | None:
        """Return "timeout", or None and a later deadline if the program waited for a core and the host is patient."""
        longest = self._started + self._job["seconds"] * self._job["patience"]
        self._deadline = min(longest, self._started + self._job["seconds"] + _waited(self._pid))
        return "timeout" if self._deadline <= time.monotonic() else None

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            # If this is the first process of a pid namespace, the kernel kills all others with it and waits for them.
            os.kill(self._pid, signal.SIGKILL)

    def _beyond_limits(self) -> str | None:
        everyone = [int(name) for name in os.listdir("/proc") if name.isdigit()] if self._alone else _descendants()
        pids = [pid for pid in everyone if pid not in self._job["ours"]]
        for pid in set(pids) - self._reniced - {self._pid}:
            # A program with many processes must not take the cores from other programs.
            self._reniced.add(pid)
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, pid, _NICE)
        if len(pids) > self._job["processes"]:
            return "processes"
        # Resident size counts shared pages several times. If even that sum is within the limit, the exact figure is not needed. Reading
        # it is so slow that many processes could fill the memory in the meantime.
        if sum(map(_resident, pids)) <= self._job["memory"]:
            return None
        return "memory" if sum(map(_memory, pids)) > self._job["memory"] else None


def _waited(pid: int) -> float:
    """Return how many seconds a process's threads were runnable but had no core; the maximum over its threads."""
    longest = 0.0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            longest = max(longest, int(path.read_text().split()[1]) / 1e9)
    return longest


def _descendants() -> list[int]:
    """Return all descendants of this process."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _reap_strays() -> None:
    """Kill and reap processes that a program left behind; as the subreaper, this process inherits them."""
    while strays := _descendants():
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, 0)[0]:
                pass


def _memory(pid: int) -> int:
    """Return a process's memory in bytes, counting its proportional share of shared pages, so that a sum over processes is exact."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        # A process may hide this file; the figure that it cannot hide counts shared pages in full.
        return _resident(pid)
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _resident(pid: int) -> int:
    """Return a process's resident bytes, shared pages included: fast to read, and never too low."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def _every_mode() -> dict[str, _child.Serve]:
    """Load what judging needs. What a server has loaded makes each fork slower, so one that only runs commands does without."""
    modes: dict[str, _child.Serve] = importlib.import_module("_modes").MODES
    return modes


def serve(control: socket.socket, config: dict[str, Any], modes: dict[str, _child.Serve]) -> None:
    """Run programs as the host asks, until it hangs up."""
    isolated = config["level"] == "isolated"
    # In a pid namespace, the processes that existed before any program are ours.
    ours = [int(name) for name in os.listdir("/proc") if name.isdigit()] if isolated else []
    null = os.open("/dev/null", os.O_RDWR)
    namespaces = _NAMESPACES if isolated else 0
    if config["level"] == "reduced" and may_make_pids():
        # Killing the first process of a program then kills all of them, however fast they fork.
        namespaces = _NEW_PIDS
    while True:
        message, handles, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 4)
        if not message:
            return
        if not handles:
            # A late request to end a program that has already ended.
            continue
        job = json.loads(message)
        job |= {"ours": ours, "uid": os.getuid(), "gid": os.getgid()}
        try:
            pid = fork(namespaces)
        except OSError as error:
            _close(handles)
            control.send(json.dumps({"fault": f"fork: {error.strerror}"}).encode())
            continue
        if pid == 0:
            control.close()
            _child.run(handles[0], null, handles[1:], modes[job["mode"]], job, config)
        _close(handles)
        result = Watch(pid, control, job, alone=isolated).wait()
        control.send(json.dumps(result).encode())


def _close(handles: list[int]) -> None:
    for handle in handles:
        os.close(handle)


def may_make_pids() -> bool:
    """Return whether this process may create a child in a new pid namespace."""
    try:
        pid = fork(_NEW_PIDS)
    except OSError:
        return False
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def become_nobody(uid: int) -> None:
    """Give up root for good, after mounting an unmasked /proc; programs could not mount their own otherwise."""
    if _LIBC.mount(b"proc", b"/proc", b"proc", 14, None):
        raise OSError(ctypes.get_errno(), "mounting /proc failed")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main() -> None:
    """Drop root, import the libraries, report to the host, then serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        config = json.loads(control.recv(_MESSAGE_BYTES))
        # Another user may not be able to read this folder.
        commands: dict[str, _child.Serve] = {"command": _child.run_command}
        modes = commands if config["commands_only"] else _every_mode()
        if config["level"] == "isolated" and os.getuid() == 0:
            become_nobody(config["uid"])
            # Changing the user cleared this flag; without it a child may not write its own /proc files.
            _LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        for name in config["preload"]:
            # If the import raises, the program will see the error itself.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        control.send(json.dumps({"ready": True}).encode())
    except Exception as error:  # noqa: BLE001 (the host turns it into one clear message)
        control.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
        return
    serve(control, config, modes)


if __name__ == "__main__":
    main()
