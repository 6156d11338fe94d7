"""Runs a command, and kills it and everything it started as soon as the requesting process is gone.

    python -I -S supervisor.py DESCRIPTOR COMMAND...

DESCRIPTOR is the read end of a pipe. Only the requesting process holds the write end, which is therefore closed however that process
ends. This file imports the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> None:
    """Run the command, then end with the same exit status or signal."""
    pipe = int(arguments[0])
    if sys.platform == "linux":
        # Orphaned descendants of the command, in other sessions too, become children of this process.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # The command inherits all descriptors except this one.
    os.set_inheritable(pipe, False)
    command = subprocess.Popen(arguments[1:], process_group=0, close_fds=False)

    def watch() -> None:
        os.read(pipe, 1)
        _end_all(command.pid)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    status = command.wait()
    _end_all(command.pid)
    if status < 0:
        # Python installs its own handler for a few signals, such as SIGINT.
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)


def _end_all(group: int) -> None:
    """Kill the command's process group and all other processes that it left behind."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    while children := _children():
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def _children() -> list[int]:
    """Return the child processes of this process; empty on systems without /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # Process id, name in parentheses, state, parent; the name may hold anything.
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append(int(stat.parent.name))
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
