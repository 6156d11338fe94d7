"""Running git in a folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SECONDS = 60


def run_git(folder: Path, *arguments: str) -> bytes | None:
    """Return what git prints in a folder; None if it fails, takes over a minute or is not installed."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def git_top(folder: Path) -> Path | None:
    """Return the top of the git work tree around a folder; None if there is none."""
    answer = run_git(folder, "rev-parse", "--show-toplevel")
    return Path(os.fsdecode(answer.rstrip(b"\n"))) if answer else None
