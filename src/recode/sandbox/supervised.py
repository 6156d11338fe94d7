"""Starts a command that cannot outlive this process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SUPERVISOR = Path(__file__).with_name("supervisor.py")


@contextmanager
def supervised(
    command: Sequence[str | Path], *, pass_fds: Sequence[int] = (), **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """Start a command in a new session; kill it and everything it started when the context ends.

    It is also killed if this process ends in any other way, SIGKILL included. Exit status and signals are passed on from the command.

    Args:
        command: the program and its arguments.
        pass_fds: descriptors that the command inherits.
        options: further arguments of `subprocess.Popen`.
    """
    reading, writing = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SUPERVISOR), str(reading), *map(str, command)],
                pass_fds=(reading, *pass_fds), start_new_session=True, **options,
            )  # fmt: skip
        finally:
            os.close(reading)
        try:
            yield process
        finally:
            os.close(writing)
            writing = -1
            process.wait()
    finally:
        if writing >= 0:
            os.close(writing)
