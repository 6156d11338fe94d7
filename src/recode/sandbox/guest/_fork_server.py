"""The fork server inside a sandbox: libraries are loaded once, every program runs in a fork with its own namespaces.

usage: python -I _fork_server.py CONTROL_FD

This process never runs a program. It forks one child a program, straight into new user, pid, mount and ipc namespaces where the level
allows it, watches time, memory and processes, and reports how the child ended. What the program's values are worth is for the host to say.
Standard library only: it runs in environments that do not have recode.
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
    """Fork, with the child in new namespaces of these kinds; return the child's pid, 0 in the child.

    Python's `os.fork` knows no namespaces, and unsharing first would take two forks a program.
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
    """Waits for a child and everything it started, within limits of wall time, memory and processes."""

    def __init__(self, pid: int, control: socket.socket, job: dict[str, Any], alone: bool) -> None:
        self._pid, self._control, self._job = pid, control, job
        self._alone = alone
        """Whether all processes here but this one are the program's."""
        self._started = time.monotonic()
        self._reniced: set[int] = set()

    def wait(self) -> dict[str, Any]:
        """Return the exit status, and what the child was killed for, if it was."""
        killed = None
        handle = os.pidfd_open(self._pid)
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        poller.register(self._control, select.POLLIN)
        pause = _POLL_SECONDS
        try:
            while killed is None:
                left = self._job["seconds"] - (time.monotonic() - self._started)
                ready = {number for number, _ in poller.poll(max(0.0, min(pause, left)) * 1000)}
                if handle in ready:
                    break
                if ready:
                    # The host has what it needs, or is gone.
                    killed = "host"
                    self._control.recv(_MESSAGE_BYTES)
                elif left <= 0:
                    killed = "timeout"
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
            # Its channel closes a moment before a process has ended: it was ending by itself.
            killed = None
        return {
            "status": ended,
            "killed": killed,
            "seconds": round(time.monotonic() - self._started, 4),
            "waited": waited,
        }

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            # Of a pid namespace this is the first process: the kernel kills all others with it, and waits for them.
            os.kill(self._pid, signal.SIGKILL)

    def _beyond_limits(self) -> str | None:
        everyone = [int(name) for name in os.listdir("/proc") if name.isdigit()] if self._alone else _descendants()
        pids = [pid for pid in everyone if pid not in self._job["ours"]]
        for pid in set(pids) - self._reniced - {self._pid}:
            # One program with many processes must not take the cores from its neighbours.
            self._reniced.add(pid)
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, pid, _NICE)
        if len(pids) > self._job["processes"]:
            return "processes"
        # What is shared counts more than once in what is resident; where even that is little, the slow truth need not be asked for,
        # which takes so long that many processes could fill the memory meanwhile.
        if sum(map(_resident, pids)) <= self._job["memory"]:
            return None
        return "memory" if sum(map(_memory, pids)) > self._job["memory"] else None


def _waited(pid: int) -> float:
    """Return for how many seconds the threads of a process were ready and had no core: the longest of them."""
    longest = 0.0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            longest = max(longest, int(path.read_text().split()[1]) / 1e9)
    return longest


def _descendants() -> list[int]:
    """Return all processes below this one."""
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
    """Kill and bury what a program left: as the subreaper, this process inherits whatever it started."""
    while strays := _descendants():
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, 0)[0]:
                pass


def _memory(pid: int) -> int:
    """Return the bytes of memory of a process: its share of what it shares with others, so that a sum over processes is true."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        # A process may hide it; what it cannot hide counts shared pages too.
        return _resident(pid)
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _resident(pid: int) -> int:
    """Return the bytes of a process that are in memory, shared ones included: quick to read, and never too little."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def serve(control: socket.socket, config: dict[str, Any]) -> None:
    """Run programs as the host asks, until it hangs up."""
    isolated = config["level"] == "isolated"
    # Of the processes in a pid namespace those that were here before any program are ours.
    ours = [int(name) for name in os.listdir("/proc") if name.isdigit()] if isolated else []
    null = os.open("/dev/null", os.O_RDWR)
    namespaces = _NAMESPACES if isolated else 0
    if config["level"] == "reduced" and may_make_pids():
        # Then killing the first process of a program kills all of them, however fast they fork.
        namespaces = _NEW_PIDS
    while True:
        message, handles, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 1)
        if not message:
            return
        if not handles:
            # A late wish to end a program that has ended.
            continue
        job = json.loads(message)
        job |= {"ours": ours, "uid": os.getuid(), "gid": os.getgid()}
        try:
            pid = fork(namespaces)
        except OSError as error:
            os.close(handles[0])
            control.send(json.dumps({"fault": f"fork: {error.strerror}"}).encode())
            continue
        if pid == 0:
            control.close()
            _child.run(handles[0], null, job, config)
        os.close(handles[0])
        result = Watch(pid, control, job, alone=isolated).wait()
        control.send(json.dumps(result).encode())


def may_make_pids() -> bool:
    """Say whether this process may give a child a pid namespace of its own."""
    try:
        pid = fork(_NEW_PIDS)
    except OSError:
        return False
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def become_nobody(uid: int) -> None:
    """Give up root for good, after mounting a /proc that no one has masked: programs could not mount theirs otherwise."""
    if _LIBC.mount(b"proc", b"/proc", b"proc", 14, None):
        raise OSError(ctypes.get_errno(), "mounting /proc failed")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main() -> None:
    """Prepare, report, serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        config = json.loads(control.recv(_MESSAGE_BYTES))
        if config["level"] == "isolated" and os.getuid() == 0:
            become_nobody(config["uid"])
            # Changing the user has cleared it; without it the child may not write its own /proc files.
            _LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        for name in config["preload"]:
            # Whatever an import raises, the program will meet it itself.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        control.send(json.dumps({"ready": True}).encode())
    except Exception as error:  # noqa: BLE001 (the host turns it into one clear message)
        control.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
        return
    serve(control, config)


if __name__ == "__main__":
    main()
