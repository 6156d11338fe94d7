"""Commands that cannot outlive the process that started them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recode.sandbox.supervised import supervised

FAMILY = "sleep {0} & setsid sleep {0} & (setsid sh -c 'sleep {0}; true' &) ; sleep {0}"
"""A child, one in a session of its own, one whose parent has ended, and the command itself."""


def alive(mark: str) -> list[str]:
    """The command lines of the processes that have this argument."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().decode().split("\0")
        except OSError:
            continue
        if line[0] == "sleep" and mark in line:
            found.append(" ".join(line))
    return found


def wait_until(done: bool, mark: str, seconds: float = 20.0) -> bool:
    """Wait until there are processes with a mark, or none."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (len(alive(mark)) >= 4) if not done else not alive(mark):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def heed_interrupts() -> None:
    """Interrupts are ignored in what a shell starts in the background, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_process_leaves_nothing_that_it_started(number: signal.Signals) -> None:
    mark = f"33{number.value}7.5"
    code = (
        "import sys\nfrom recode.sandbox.supervised import supervised\n"
        "with supervised(['/bin/sh', '-c', sys.argv[1]]) as process:\n    process.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, FAMILY.format(mark)], stderr=subprocess.DEVNULL, preexec_fn=heed_interrupts
    )
    try:
        assert wait_until(False, mark)
        parent.send_signal(number)
        parent.wait(20)
        assert wait_until(True, mark), alive(mark)
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_command_leaves_in_the_background_ends_with_it() -> None:
    with supervised(["/bin/sh", "-c", "setsid sleep 4711.5 & exit 3"]) as process:
        assert process.wait(20) == 3
    assert alive("4711.5") == []
    with supervised(["/bin/sh", "-c", "sleep 4712.5"]) as process:
        assert process.poll() is None
    assert alive("4712.5") == []


@pytest.mark.parametrize(
    ("command", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", -15), ("kill -KILL $$", -9)]
)
def test_the_exit_status_is_that_of_the_command(command: str, status: int) -> None:
    with supervised(["/bin/sh", "-c", command]) as process:
        assert process.wait(20) == status


def test_descriptors_and_output_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from a file")
    with (tmp_path / "given").open() as given:
        command = ["/bin/sh", "-c", f"cat /dev/fd/{given.fileno()}; echo error >&2"]
        with supervised(
            command, pass_fds=(given.fileno(),), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.communicate() == ("from a file", "error\n")
