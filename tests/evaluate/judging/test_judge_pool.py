"""Judging by several processes: the same verdicts in the same order, errors as they are, and no process left after a kill."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from recode.errors import RecodeError
from recode.evaluate.judging.judge_pool import JudgePool
from recode.evaluate.judging.migrations import batches, evaluate
from recode.invent import generate
from recode.models import load

WEIGHTS = {"format": 1.0, "exact": 1.0}
ENTRIES = list(itertools.islice(generate(77), 40))


@pytest.fixture(scope="module")
def judges() -> Iterator[JudgePool]:
    with JudgePool(2) as made:
        yield made


@pytest.mark.slow
def test_the_verdicts_are_those_of_one_process(judges: JudgePool, tiny_model: Path) -> None:
    done: list[int] = []
    found = judges.judge(str(tiny_model), ENTRIES, WEIGHTS, headroom=8, on_done=done.append)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = evaluate(*load(str(tiny_model)), ENTRIES, weights=WEIGHTS, headroom=8)
    torch.set_num_threads(threads)
    assert [[one] for one in found] == alone
    assert sum(done) == len(ENTRIES)
    assert len(done) == len(batches(ENTRIES)) > 1


def test_a_model_that_cannot_be_loaded_is_the_users_error(judges: JudgePool, tmp_path: Path) -> None:
    with pytest.raises(RecodeError, match="nothing"):
        judges.judge(str(tmp_path / "nothing"), ENTRIES[:1], WEIGHTS)


def test_a_process_that_is_ended_from_outside_is_one_error_line(tiny_model: Path) -> None:
    with JudgePool(1) as judges:
        judges._pool.submit(os.kill, judges._pool.submit(os.getpid).result(), signal.SIGKILL)
        with pytest.raises(RecodeError, match="killed from outside, often because memory ran out"):
            judges.judge(str(tiny_model), ENTRIES[:1], WEIGHTS)


def test_the_processes_end_when_their_maker_is_killed(tiny_model: Path) -> None:
    code = (
        "from recode.evaluate.judging.judge_pool import JudgePool, _load\n"
        "if __name__ == '__main__':\n"
        "    import os, time\n"
        "    with JudgePool(2) as judges:\n"
        "        works = [judges._pool.submit(time.sleep, 0.5) for _ in range(2)]\n"
        "        print(*judges._pool._processes, flush=True)\n"
        "        [work.result() for work in works]\n"
        "        print('waiting', flush=True)\n"
        "        time.sleep(60)\n"
    )
    maker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    pids = [int(pid) for pid in maker.stdout.readline().split()]
    assert len(pids) == 2
    assert maker.stdout.readline() == "waiting\n"
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() and _runs(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # Whoever adopted it may not have buried it yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
