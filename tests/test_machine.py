from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recode.errors import ProcessEndedError
from recode.machine import cores, has_bfloat16, map_in_processes, memory


def test_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_the_memory_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory() > 1 << 28
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory() == 8 << 30


def test_results_come_in_order_whatever_a_process_takes() -> None:
    squares = map_in_processes(lambda number: number**2, range(50), 3, chunk=4)
    assert list(squares) == [number**2 for number in range(50)]
    assert multiprocessing.active_children() == []


def test_no_process_is_left_where_the_results_are_not_all_taken() -> None:
    results = map_in_processes(str, range(50), 2)
    assert next(results) == "0"
    results.close()
    assert multiprocessing.active_children() == []


def test_an_exception_in_a_process_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_processes(lambda number: 1 // number, [1, 0, 1], 2))


def test_a_process_that_is_ended_from_outside_is_an_error() -> None:
    with pytest.raises(ProcessEndedError):
        list(map_in_processes(lambda _: os.kill(os.getpid(), signal.SIGKILL), range(5), 2))


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux describes its processor in a file")
def test_the_processor_is_read_from_its_description() -> None:
    words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    assert has_bfloat16() == bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can keep freed memory")
def test_freed_memory_can_be_kept() -> None:
    script = "from recode.machine import keep_freed_memory; print(keep_freed_memory())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
