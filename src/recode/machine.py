"""What this machine has."""

from __future__ import annotations

import os


def cores() -> int:
    """Return how many cores this process may use: fewer than there are where it is confined, as in a container."""
    # macOS and Windows do not tell what a process may use.
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
