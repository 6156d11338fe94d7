"""Runs a command, and ends everything that it started as soon as the process that wants it is gone.

    python -I -S supervisor.py DESCRIPTOR COMMAND...

The descriptor is the reading end of a pipe whose writing end only the other process holds, so that it is closed however
that process ends. Imports the standard library only.
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
    """Run the command and end as it ends, with its exit status or its signal."""
    pipe = int(arguments[0])
    if sys.platform == "linux":
        # What the command leaves behind, also in sessions of its own, becomes a child of this process.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Of the descriptors, the command inherits all but this one.
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
        # Python handles a few signals itself, such as SIGINT.
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)


def _end_all(group: int) -> None:
    """Kill the command's process group, and every further process that it left behind."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    while children := _children():
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(child, 0)


def _children() -> list[int]:
    """Return the processes whose parent this one is; none on systems without /proc."""
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
