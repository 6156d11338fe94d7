"""Verdicts by calls and by asserts, and what becomes of a sandbox that fails."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recode.errors import RecordError, SandboxError
from recode.records import read_records
from recode.sandbox import fork_servers
from recode.sandbox.fork_servers import ForkServer, Interpreter, Level, Limits
from recode.sandbox.judging import Call, judge_calls
from recode.sandbox.levels import best_level
from recode.sandbox.pool import ProgramTask, judge_all
from recode.sandbox.second_opinion import judge_test
from recode.sandbox.verdict import Verdict

SHARED = Path(__file__).parents[3] / "shared" / "data" / "HumanEval.jsonl.gz"


def levels() -> list[Level]:
    """Every level that can be tried here; without isolation the trusted programs of this file still show how verdicts come about."""
    try:
        strongest = best_level()
    except SandboxError:
        return ["unsafe"]
    return [strongest, "unsafe"] if strongest != "isolated" else ["isolated", "reduced", "unsafe"]


@pytest.fixture(scope="module", params=levels())
def fork_server(request: pytest.FixtureRequest) -> Iterator[ForkServer]:
    made = ForkServer(Interpreter(preload=("numpy",)), request.param)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def tester(fork_server: ForkServer) -> Iterator[ForkServer]:
    made = ForkServer(fork_server.interpreter, fork_server.level)
    yield made
    made.stop()


def called(
    fork_server: ForkServer, program: str, *calls: tuple[tuple[object, ...], object], seconds: float = 5.0
) -> Verdict:
    return judge_calls(
        fork_server,
        program,
        "f",
        [Call(args=args, expected=expected) for args, expected in calls],
        Limits(seconds=seconds),
    )


def asserted(fork_server: ForkServer, tester: ForkServer, program: str, test: str, seconds: float = 5.0) -> Verdict:
    return judge_test(fork_server, tester, program, test, Limits(seconds=seconds))


@pytest.mark.parametrize(
    ("program", "outcome", "says"),
    [
        ("def f(x):\n    return x + 1", "passed", ""),
        ("def f(x):\n    return x", "failed", "call 1 returned 1, not 2"),
        ("def f(x):\n    return float(x + 1)", "failed", "call 1 returned 2.0, not 2"),
        ("def f(x):\n    raise KeyError('no')", "failed", "call 1 raised KeyError: 'no'"),
        ("def g(x):\n    return x", "failed", "call 1 raised KeyError: 'f'"),
        ("def f(x)", "failed", "the program raised SyntaxError"),
        ("def f(x):\n    return object()", "failed", "returned a object, which is not a plain value"),
        ("def f(x):\n    return bytearray(1 << 34)", "out_of_memory", "MemoryError"),
        ("import os\ndef f(x):\n    os._exit(0)", "crashed", "exit status 0"),
        ("import os\nos.abort()", "crashed", ""),
        ("def f(x):\n    while True: pass", "timeout", ""),
        ("import sys\nsys.exit(0)", "failed", "SystemExit"),
    ],
)
def test_outcomes_of_calls(fork_server: ForkServer, program: str, outcome: str, says: str) -> None:
    verdict = called(fork_server, program, ((1,), 2), ((5,), 6), seconds=1.0 if outcome == "timeout" else 5.0)
    assert (verdict.outcome, verdict.level) == (outcome, fork_server.level)
    assert says in verdict.detail


def test_state_is_not_shared_between_programs(fork_server: ForkServer) -> None:
    leaves = "import builtins, os\nbuiltins.left = 1\nos.environ['LEFT'] = '1'\nopen('left', 'w').close()\ndef f():\n    return 1"
    looks = "import builtins, os\ndef f():\n    return [hasattr(builtins, 'left'), 'LEFT' in os.environ, os.path.exists('left')]"
    assert called(fork_server, leaves, ((), 1)).outcome == "passed"
    assert called(fork_server, looks, ((), [False, False, False])).outcome == "passed"


def test_programs_draw_different_random_numbers(fork_server: ForkServer) -> None:
    draws = "import random, numpy\ndef f():\n    return [random.random(), float(numpy.random.random())]"
    details = {called(fork_server, draws, ((), 0)).detail for _ in range(3)}
    assert len(details) == 3


@pytest.mark.parametrize(
    ("program", "test", "outcome"),
    [
        ("def f(x):\n    return x + 1", "assert f(1) == 2", "passed"),
        ("def f(x):\n    return x", "assert f(1) == 2, 'too small'", "failed"),
        ("def f(x):\n    raise ValueError('no')", "try:\n    f(1)\n    raise RuntimeError\nexcept ValueError as e:\n    assert 'no' in str(e)", "passed"),
        ("class A:\n    def __init__(self): self.n = 3\n    def up(self): self.n += 1; return self.n", "a = A()\nassert a.up() == 4\nassert a.n == 4", "passed"),
        ("def f(n):\n    yield from range(n)", "assert list(f(3)) == [0, 1, 2]\nassert sum(f(4)) == 6", "passed"),
        ("import numpy as np\ndef f(x):\n    return x * 2", "assert np.allclose(f(np.ones(3)), np.full(3, 2.0))", "passed"),
        ("import numpy as np\ndef f(x):\n    return x * 3", "assert np.allclose(f(np.ones(3)), np.full(3, 2.0))", "failed"),
        ("LIMIT = 7", "assert LIMIT == 7", "passed"),
        # The program's idea of a built-in, or of numpy, is not the test's.
        ("def len(x):\n    return 3\ndef f():\n    return []", "assert len(f()) == 3", "failed"),
        ("class np:\n    @staticmethod\n    def allclose(a, b): return True\ndef f(x):\n    return 0 * x", "assert np.allclose(f(np.ones(2)), np.ones(2))", "failed"),
        ("class A:\n    def __eq__(self, o): return True\n    def __bool__(self): return True\ndef f(x):\n    return A()", "assert f(1) == 2", "ungradable"),
        ("class A:\n    pass\ndef f(x):\n    return A()", "assert f(1)", "passed"),
        ("class math:\n    isclose = staticmethod(lambda *a: True)\ndef f(x):\n    return 0", "assert math.isclose(f(2), 4.0)", "failed"),
        ("def copy(x):\n    return x + 1", "assert copy(1) == 2", "passed"),
        ("class S(str):\n    def startswith(self, x): return True\ndef f(x):\n    return S('b')", "assert f(3).startswith('abc')", "ungradable"),
        ("class S:\n    def startswith(self, x): return 1\ndef f(x):\n    return S()", "assert f(3).startswith('abc')", "ungradable"),
        ("class S:\n    def issubset(self, x): return 'yes'\ndef f(x):\n    return S()", "assert f(3).issubset({1})", "ungradable"),
        ("class Y:\n    def equals(self, o): return True\ndef f(x):\n    return Y()", "assert f(3).equals(9)", "ungradable"),
        ("class Y:\n    def allclose(self, o): return False\ndef f(x):\n    return Y()", "assert f(3).allclose(9)", "failed"),
        ("class Y:\n    def equal(self, o): return True\ny = Y()", "assert y.equal(9)", "ungradable"),
        ("def equals(a, b):\n    return a == b", "assert equals(1, 1)", "passed"),
        ("class A:\n    def full(self): return True", "assert A().full()", "passed"),
        ("class numpy:\n    def allclose(*a): return True\ndef f(x):\n    return None", "assert numpy.allclose(f(3), [9.0])", "failed"),
        ("class hashlib:\n    sha1 = lambda x: 'aa'\ndef f(x):\n    return b''", "assert hashlib.sha1(f(1)) == 'aa'", "failed"),
        ("import numpy\ndef f(x):\n    return x * 2", "assert numpy.linalg.norm(f(numpy.ones(4))) == 4.0", "passed"),
        # What its own encoding sends beyond the limits, and keys of one hash, end the program, not the judging.
        ("import sys\ndef f():\n    sys.modules['_values']._DEPTH = 200\n    x = [1]\n    for _ in range(64): x = [x]\n    return x", "assert f() == [1]", "failed"),
        ("def f():\n    return {i * (2**61 - 1) for i in range(4_000)}", "assert len(f()) == 0", "failed"),
        ("def f():\n    return {i * (2**61 - 1) for i in range(3_000)} | set(range(1, 1_200))", "assert len(f()) == 0", "failed"),
        ("def f(x):\n    return 1", f"assert f('{'a' * (1 << 20)}') == 1", "ungradable"),
        ("def f(x):\n    return 1", "assert f(object()) == 1", "passed"),
        ("def f(x):\n    return 1", "assert f(", "ungradable"),
        ("def f(x):\n    while True: pass", "assert f(1) == 1", "timeout"),
        ("def f():\n    n = 0\n    while True:\n        yield n", "assert list(f()) == []", "timeout"),
    ],
)  # fmt: skip
def test_outcomes_of_asserts(
    fork_server: ForkServer, tester: ForkServer, program: str, test: str, outcome: str
) -> None:
    verdict = asserted(fork_server, tester, program, test, seconds=1.0 if outcome == "timeout" else 5.0)
    assert verdict.outcome == outcome, verdict


def test_a_sandbox_that_fails_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [
        ProgramTask(id=str(n), program="def f(): return 1", entry_point="f", calls=(Call(expected=1),))
        for n in range(6)
    ]
    started: list[int] = []
    start = ForkServer.start

    def start_and_note(fork_server: ForkServer) -> None:
        start(fork_server)
        assert fork_server._process is not None
        started.append(fork_server._process.pid)

    monkeypatch.setattr(ForkServer, "start", start_and_note)
    killed: list[int] = []

    def kill_once(number: int, verdict: Verdict) -> None:
        if not killed:
            killed.append(started[-1])
            os.kill(started[-1], 9)

    verdicts = judge_all(tasks, level=levels()[0], workers=1, on_done=kill_once)
    assert [verdict.outcome for verdict in verdicts if verdict] == ["passed"] * 6
    assert len(started) == 2


def test_a_sandbox_that_never_works_is_no_wrong_answer() -> None:
    task = ProgramTask(id="a", program="def f(): return 1", entry_point="f", calls=(Call(expected=1),))
    for python in ("/bin/false", "/tmp", "/nowhere/python"):
        (verdict,) = judge_all([task], level="unsafe", interpreter=Interpreter(python=python))
        assert verdict is not None
        assert verdict.outcome == "ungradable"
        assert "the sandbox failed" in verdict.detail


def test_cancelled_work_stops() -> None:
    cancelled = threading.Event()
    tasks = [
        ProgramTask(id=str(n), program="def f(): return 1", entry_point="f", calls=(Call(expected=1),))
        for n in range(50)
    ]
    verdicts = judge_all(tasks, level="unsafe", workers=1, on_done=lambda *_: cancelled.set(), cancelled=cancelled)
    assert [verdict is not None for verdict in verdicts] == [True] + [False] * 49


def test_a_task_is_either_calls_or_a_test(tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text('{"id": "a", "program": "x = 1"}\n')
    with pytest.raises(RecordError, match=r"tasks\.jsonl:1: .*either `entry_point` and `calls`, or `test`"):
        read_records(tmp_path / "tasks.jsonl", ProgramTask)


@pytest.mark.skipif(not SHARED.exists(), reason="the HumanEval file is not beside the project")
def test_humaneval_solutions_pass_and_mutants_do_not() -> None:
    with gzip.open(SHARED, "rt") as file:
        problems = [json.loads(line) for line in file]
    assert len(problems) == 164
    right, wrong = [], []
    for problem in problems:
        test = f"{problem['test']}\ncheck({problem['entry_point']})\n"
        right.append(
            ProgramTask(id=problem["task_id"], program=problem["prompt"] + problem["canonical_solution"], test=test)
        )
        wrong.append(ProgramTask(id=problem["task_id"], program=problem["prompt"] + "    return None\n", test=test))
    limits = Limits(seconds=15.0)
    passed = [verdict.outcome for verdict in judge_all(right, level=levels()[0], limits=limits) if verdict]
    failed = [verdict.outcome for verdict in judge_all(wrong, level=levels()[0], limits=limits) if verdict]
    assert passed == ["passed"] * 164
    assert "passed" not in failed
    assert len(failed) == 164


def test_an_interpreter_among_a_users_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SandboxError, match="holds your files too"):
        Interpreter(str(python)).folders()


def test_a_link_to_the_systems_python_shows_no_folder() -> None:
    # /bin is a link on many systems; its parent is the root of everything.
    assert "/" not in Interpreter("/bin/sh").folders()


def test_memory_that_processes_hide_counts() -> None:
    if levels()[0] == "unsafe":
        pytest.skip("this machine gives no isolation")
    program = """
import ctypes, os, time
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
for _ in range(6):
    if os.fork() == 0:
        held = b"x" * (100 << 20)
        time.sleep(30)
time.sleep(30)
def f():
    return 1
"""
    fork_server = ForkServer(Interpreter(), levels()[0])
    verdict = judge_calls(fork_server, program, "f", [Call(expected=1)], Limits(seconds=10, memory=256 << 20))
    fork_server.stop()
    assert verdict.outcome == "out_of_memory"


def test_what_a_library_says_while_it_is_loaded_does_not_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "talkative.py").write_text("import sys\nsys.stderr.write('word ' * 40_000)\n")
    monkeypatch.setattr(fork_servers, "_START_SECONDS", 10.0)
    monkeypatch.setattr(fork_servers, "_variables", lambda seed: {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)})
    fork_server = ForkServer(Interpreter(preload=("talkative",)), "unsafe")
    assert (
        called(fork_server, "import sys\ndef f():\n    return 'talkative' in sys.modules", ((), True)).outcome
        == "passed"
    )
    fork_server.stop()


def test_a_server_that_cannot_be_told_what_to_do_is_not_left_half_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: bool) -> bytes:
        raise SandboxError("libseccomp is not there")

    fork_server = ForkServer(Interpreter(), "reduced")
    monkeypatch.setattr(fork_servers, "filter_program", none)
    with pytest.raises(SandboxError, match="libseccomp"):
        fork_server.start()
    assert (fork_server._process, fork_server._control) == (None, None)
