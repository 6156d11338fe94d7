"""Starting a command so that it cannot outlive this process."""

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
    """Start a command in a session of its own, and kill it with everything it started when the context ends.

    The same happens if this process ends in any other way, SIGKILL included. Exit status and signals are those of the
    command.

    Args:
        command: the program and its arguments.
        pass_fds: descriptors that it inherits.
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
