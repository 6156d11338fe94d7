"""Programs a second: this sandbox, EvalPlus's own checker, and a plain subprocess, in one run on the same programs.

    python benchmarks/sandbox.py [--programs 200] [--repeats 3]

Each contender judges the same programs with as many workers as there are cores; they take turns, so that a noisy machine disturbs all of them
alike, and the table gives the median and the range of the repeats. EvalPlus comes from PyPI, unmodified (`pip install evalplus`); without it
its column is empty. The last row is the kernel's floor: fork into new namespaces, exit, wait, of a process with the same libraries loaded.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recode.sandbox.fork_servers import Interpreter, Limits
from recode.sandbox.judging import Call
from recode.sandbox.levels import best_level
from recode.sandbox.pool import ProgramTask, judge_all

KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "small": ((), "def solve(x):\n    return 2 * x + 1\n"),
    "numpy+pandas": (
        ("numpy", "pandas"),
        "import numpy as np\nimport pandas as pd\n\ndef solve(x):\n    return int(pd.Series(np.array([x, x])).sum()) + 1\n",
    ),
    "torch": (("torch",), "import torch\n\ndef solve(x):\n    return int(torch.tensor([x, x]).sum()) + 1\n"),
}
INPUTS = (1, 2, 10, 123)
CLONE = {"x86_64": 56, "aarch64": 220}
CORES = len(os.sched_getaffinity(0))


def sandbox(kind: str, count: int) -> float:
    """Judge by this project's sandbox; starting it is not counted, as it is once for any number of programs."""
    preload, program = KINDS[kind]
    calls = tuple(Call(args=(x,), expected=2 * x + 1) for x in INPUTS)
    warm = [ProgramTask(id="w", program=program, entry_point="solve", calls=calls)] * CORES
    begun: list[float] = []
    tasks = [*warm, *[ProgramTask(id=str(n), program=program, entry_point="solve", calls=calls) for n in range(count)]]

    def done(_: int, __: object) -> None:
        begun.append(time.perf_counter())

    limits = Limits(seconds=10.0, memory=4 << 30 if kind == "torch" else 1 << 30)
    verdicts = judge_all(tasks, interpreter=Interpreter(preload=preload), limits=limits, on_done=done)
    wrong = [verdict for verdict in verdicts if verdict is None or verdict.outcome != "passed"]
    if wrong:
        raise SystemExit(f"an honest program did not pass: {wrong[0]}")
    return (len(begun) - CORES) / (begun[-1] - begun[CORES - 1])


def plain(kind: str, count: int) -> float:
    """Judge by a subprocess a program that prints whether its asserts hold."""
    _, program = KINDS[kind]
    asserts = "".join(f"assert solve({x}) == {2 * x + 1}\n" for x in INPUTS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(program + asserts + "print('passed')\n")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

        def judge(_: int) -> bool:
            done = subprocess.run(
                [sys.executable, "-I", str(path)], capture_output=True, text=True, check=False, env=environment
            )
            return done.stdout == "passed\n"

        return _rate(judge, count)


def evalplus(kind: str, count: int) -> float:
    """Judge by EvalPlus's own checker, which forks a process a program from one that has loaded the libraries."""
    from evalplus.eval import PASS, untrusted_check

    preload, program = KINDS[kind]
    for name in preload:
        importlib.import_module(name)
    inputs, expected = [[x] for x in INPUTS], [2 * x + 1 for x in INPUTS]

    def judge(_: int) -> bool:
        status, _details = untrusted_check(
            "humaneval",
            program,
            inputs,
            "solve",
            expected,
            0,
            [0.1] * len(inputs),
            fast_check=True,
            min_time_limit=10.0,
            gt_time_limit_factor=4.0,
        )
        return bool(status == PASS)

    return _rate(judge, count)


def floor(kind: str, count: int) -> float:
    """Fork into new namespaces, exit, wait: what no fork server can beat."""
    preload, _ = KINDS[kind]
    code = (
        "import ctypes, importlib, os, signal, sys, time\n"
        f"for name in {preload!r}: importlib.import_module(name)\n"
        "libc = ctypes.CDLL(None)\n"
        "def once():\n"
        f"    pid = libc.syscall({CLONE[platform.machine()]}, 0x10000000 | 0x20000000 | 0x20000 | 0x8000000 | signal.SIGCHLD, 0, 0, 0, 0)\n"
        "    if pid == 0: libc._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "once(); began = time.perf_counter()\n"
        f"for _ in range({count}): once()\n"
        f"print({count} / (time.perf_counter() - began))\n"
    )
    with ThreadPoolExecutor(CORES) as pool:
        done = pool.map(
            lambda _: subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True),
            range(CORES),
        )
        return sum(float(one.stdout) for one in done)


def _rate(judge: Callable[[int], bool], count: int) -> float:
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(judge, range(CORES)))
        began = time.perf_counter()
        held = list(pool.map(judge, range(count)))
        took = time.perf_counter() - began
    if not all(held):
        raise SystemExit("an honest program did not pass")
    return count / took


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    contenders: dict[str, tuple[Callable[[str, int], float], int]] = {
        f"recode ({best_level()})": (sandbox, 1), "subprocess": (plain, 10), "kernel floor": (floor, 1),
    }  # fmt: skip
    if importlib.util.find_spec("evalplus"):
        contenders["evalplus"] = (evalplus, 1)
    print(f"{CORES} cores, {options.programs} programs, median of {options.repeats} (range), programs a second\n")
    for kind, (preload, _) in KINDS.items():
        if any(importlib.util.find_spec(name) is None for name in preload):
            print(f"{kind}: skipped, not installed: {', '.join(preload)}")
            continue
        rates: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(options.repeats):
            for name, (measure, fewer) in contenders.items():
                rates[name].append(measure(kind, max(4, options.programs // fewer)))
        base = statistics.median(rates["subprocess"])
        for name, found in rates.items():
            middle = statistics.median(found)
            print(
                f"{kind:>14}  {name:<20} {middle:8.1f}  ({min(found):.1f} to {max(found):.1f})  {middle / base:6.1f}x a subprocess"
            )
        print()


if __name__ == "__main__":
    main()
