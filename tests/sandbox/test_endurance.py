"""Ten thousand mixed programs in a row: nothing grows, and a second pass says the same."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from recode.errors import SandboxError
from recode.sandbox.fork_servers import ForkServer, Interpreter, Limits
from recode.sandbox.judging import Call, judge_calls
from recode.sandbox.levels import best_level
from recode.sandbox.verdict import Verdict

pytestmark = pytest.mark.slow

PROGRAMS = {
    "def f(x):\n    return x + 1\n": 60,
    "def f(x):\n    return [x] * 1000\n": 10,
    "def f(x):\n    raise ValueError(x)\n": 8,
    "this does not parse\n": 5,
    "import os\ndef f(x):\n    os._exit(3)\n": 5,
    "import ctypes\ndef f(x):\n    ctypes.string_at(0)\n": 3,
    "import os\nopen('file', 'w').write('x' * 100000)\nr, w = os.pipe()\ndef f(x):\n    return x + 1\n": 4,
    "import os, time\nif os.fork() == 0:\n    time.sleep(60)\ndef f(x):\n    return x + 1\n": 2,
    "def f(x):\n    return bytearray(1 << 34)\n": 2,
    "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ndef f(x):\n    return x + 1\n": 1,
}
COUNT = 10_000


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def seen(fork_server: ForkServer) -> tuple[int, int, int, int]:
    """Processes of the sandbox, memory of its server, open files of its server and of this process."""
    assert fork_server._process is not None
    inside = descendants(fork_server._process.pid)
    server = max(inside, key=memory)
    return (
        len(inside),
        memory(server),
        len(list(Path(f"/proc/{server}/fd").iterdir())),
        len(list(Path("/proc/self/fd").iterdir())),
    )


def test_ten_thousand_programs() -> None:
    try:
        level = best_level()
    except SandboxError as error:
        pytest.skip(str(error))
    rng = random.Random(1)
    programs = rng.choices(list(PROGRAMS), list(PROGRAMS.values()), k=COUNT // 2)
    fork_server = ForkServer(Interpreter(preload=("json",)), level)
    passes: list[list[tuple[str, str]]] = []
    begun = None
    try:
        for _ in range(2):
            verdicts: list[Verdict] = []
            for number, program in enumerate(programs):
                verdicts.append(
                    judge_calls(fork_server, program, "f", [Call(args=(1,), expected=2)], Limits(seconds=30))
                )
                if number == 200 and begun is None:
                    begun = seen(fork_server)
            passes.append([(verdict.outcome, verdict.detail) for verdict in verdicts])
        ended = seen(fork_server)
    finally:
        fork_server.stop()
    assert passes[0] == passes[1]
    counts = Counter(outcome for outcome, _ in passes[0])
    assert counts.keys() == {"passed", "failed", "crashed", "out_of_memory"}
    assert begun is not None
    assert (ended[0], ended[2], ended[3]) == (begun[0], begun[2], begun[3])
    assert ended[1] < begun[1] + (2 << 20)
