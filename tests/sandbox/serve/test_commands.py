from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from recode.sandbox.fork_servers import ForkServer, Interpreter, Limits
from recode.sandbox.levels import best_level
from recode.sandbox.serve.commands import CommandRun, run_command

LIMITS = Limits(seconds=10.0, memory=256 << 20, patience=4.0)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(Interpreter(), best_level(), commands_only=True)
    yield server
    server.stop()


def said(run: CommandRun) -> tuple[int, str, str]:
    return run.ended.status, run.stdout.decode(), run.stderr.decode()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print('a')", (0, "a\n", "")),
        ("import sys\nprint(input())\nsys.stderr.write('e')\nsys.exit(3)", (3, "first\n", "e")),
        ("raise SystemExit('bad')", (1, "", "bad\n")),
        ("import os\nprint('a', flush=True)\nos._exit(7)", (7, "a\n", "")),
        ("import atexit, threading, time\natexit.register(print, 'last')\n"
         "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()", (0, "thread\nlast\n", "")),
        ("import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n"
         "    with m.Pool(2) as pool: print(pool.map(f, [1, 2]))", (0, "[1, 4]\n", "")),
        ("import ctypes\nctypes.string_at(0)", (-11, "", "")),
        ("import sys\nprint(sys.argv[1:], __name__, __file__.endswith('main.py'))", (0, "[] __main__ True\n", "")),
    ],
)  # fmt: skip
def test_a_program_does_what_it_does_under_plain_python(
    server: ForkServer, code: str, expected: tuple[int, str, str]
) -> None:
    assert said(run_command(server, code.encode(), LIMITS, stdin=b"first\nsecond\n")) == expected


def test_a_traceback_is_the_programs_own(server: ForkServer) -> None:
    status, out, err = said(run_command(server, b"def f():\n    1 / 0\nf()\n", LIMITS))
    assert (status, out) == (1, "")
    assert err.splitlines()[0] == "Traceback (most recent call last):"
    assert err.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert err.count("File ") == 2
    status, _, err = said(run_command(server, b"print(1\n", LIMITS))
    assert (status, err.splitlines()[-1]) == (1, "SyntaxError: '(' was never closed")


def test_files_are_there_before_and_can_be_fetched_after(server: ForkServer) -> None:
    code = (
        b"import helper, os\nprint(helper.a, len(open('d/x.bin', 'rb').read()), flush=True)\n"
        b"open('out.bin', 'wb').write(b'ab' * 400000)\nos._exit(5)"
    )
    files = {"helper.py": b"a = 1", "d/x.bin": bytes(1_500_000), "empty": b""}
    run = run_command(server, code, LIMITS, files=files, fetch=("out.bin", "empty", "absent", "d"))
    assert said(run) == (5, "1 1500000\n", "")
    assert run.files == {"out.bin": b"ab" * 400000, "empty": b""}


def test_nothing_is_left_for_the_next_program(server: ForkServer) -> None:
    run_command(server, b"open('left', 'w').write('x')", LIMITS)
    run = run_command(server, b"import os, sys\nprint(os.listdir('.'), repr(sys.stdin.read()))", LIMITS)
    assert said(run) == (0, "['main.py'] ''\n", "")


def test_output_is_cut_and_what_was_printed_before_a_timeout_is_there(server: ForkServer) -> None:
    run = run_command(server, b"print('x' * 100000)", Limits(output=1000))
    assert (run.ended.status, run.stdout) == (0, b"x" * 1000)
    run = run_command(server, b"print('x', flush=True)\nwhile True: pass", Limits(seconds=0.5, patience=4.0))
    assert (run.ended.killed, run.stdout) == ("timeout", b"x\n")


def test_waiting_for_a_core_does_not_count_as_time_but_sleeping_does(server: ForkServer) -> None:
    began = time.monotonic()
    run = run_command(server, b"import time\ntime.sleep(60)", Limits(seconds=0.5, patience=20.0))
    assert run.ended.killed == "timeout"
    assert time.monotonic() - began < 5


def test_a_program_cannot_use_more_memory_than_it_may(server: ForkServer) -> None:
    status, _, err = said(run_command(server, b"x = bytearray(1 << 30)", LIMITS))
    assert (status, err.splitlines()[-1]) == (1, "MemoryError")


def test_a_full_server_runs_commands_too() -> None:
    server = ForkServer(Interpreter(), best_level())
    try:
        assert said(run_command(server, b"print(2)", LIMITS)) == (0, "2\n", "")
    finally:
        server.stop()
