"""What this machine has, and what a process of several needs from it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cores() -> int:
    """Return how many cores this process may use: fewer than there are where it is confined, as in a container."""
    # macOS and Windows do not tell what a process may use.
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def memory() -> int:
    """Return the bytes of memory of this machine; 8 GiB where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


def overloaded() -> bool:
    """Say whether twice as many processes want to run as there are cores: running out of wall time then says little."""
    try:
        return os.getloadavg()[0] > 2 * cores()
    except OSError:
        return False


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel releases it when the process dies, however it dies."""
    # Not on Windows, where projects can be scanned.
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def end_with_parent() -> None:
    """End this process when the one that made it does: a pool's processes wait for work for ever when that one is killed."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
