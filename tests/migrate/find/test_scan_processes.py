"""Whatever ends a scan, its processes end with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recode.machine import cores

FILES = 300
PROCESSES = Path("/proc")
WAIT = 60.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes some seconds to scan."""
    root = tmp_path_factory.mktemp("project")
    body = "".join(
        f"def f{number}(x):\n    return np.asarray(x).ptp() + np.trapz(x, {number})\n" for number in range(300)
    )
    for number in range(FILES):
        (root / f"module_{number}.py").write_text(f"import numpy as np\n{body}")
    return root


def state_and_parent(process: int) -> tuple[str, int]:
    """What the kernel says of a process; ("", 0) where there is none."""
    try:
        fields = (PROCESSES / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])


def children(process: int) -> list[int]:
    numbers = [int(entry.name) for entry in PROCESSES.iterdir() if entry.name.isdigit()]
    return [number for number in numbers if state_and_parent(number)[1] == process]


def is_running(process: int) -> bool:
    # One that has ended stays as a zombie until its new parent looks.
    return state_and_parent(process)[0] not in ("", "Z", "X")


def eventually(condition: object) -> bool:
    end = time.monotonic() + WAIT
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.skipif(not PROCESSES.is_dir(), reason="processes are read from /proc")
@pytest.mark.skipif(cores() < 2, reason="one core: the scan has one process")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_a_scan_that_is_killed_leaves_no_process(project: Path, number: signal.Signals) -> None:
    command = [
        sys.executable,
        "-m",
        "recode",
        "scan",
        str(project),
        "--to",
        "numpy==2.4.6",
        "--from",
        "1.26.4",
        "--json",
        "--fast",
    ]
    # An interrupt is ignored by what a shell starts in the background, and that is inherited.
    scan = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )  # fmt: skip
    workers: list[int] = []

    def has_workers() -> bool:
        workers[:] = children(scan.pid)
        return len(workers) >= 2 or scan.poll() is not None

    try:
        assert eventually(has_workers)
        assert scan.poll() is None, "the scan was over before it could be killed"
        os.kill(scan.pid, number)
        scan.wait(WAIT)
        assert eventually(lambda: not any(map(is_running, workers))), f"left: {workers}"
    finally:
        for process in [scan.pid, *workers]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        scan.wait()
