"""Hostile programs: none passes, leaks, harms, stays, or holds the harness; the next honest program still passes."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recode.errors import SandboxError
from recode.sandbox.fork_servers import ForkServer, Interpreter, Level, Limits
from recode.sandbox.judging import Call, judge_calls
from recode.sandbox.levels import best_level, try_level
from recode.sandbox.second_opinion import judge_test
from recode.sandbox.verdict import Verdict

HERE = Path(__file__).parent
PROGRAMS: list[dict[str, str]] = [
    program
    for file in ("hostile_programs.json", "more_hostile_programs.json")
    for program in json.loads((HERE / file).read_text(encoding="utf-8"))["programs"]
]
CALLS = [Call(args=(x,), expected=2 * x + 1) for x in (1, 2, 10, 123)]
TEST = (
    "def check(candidate):\n"
    + "".join(f"    assert candidate({x}) == {2 * x + 1}\n" for x in (1, 2, 10, 123))
    + "check(solve)\n"
)
HONEST = "def solve(x):\n    return 2 * x + 1\n"
SECONDS = {"hang": 1.0, "harm": 1.5}
PATIENT = 3.0
HOST = Path("/tmp/host")


OPEN_WHEN_REDUCED = ("proc_self_exe_writable", "private_files_readable")
"""They ask only whether files exist and what their modes allow (`access`), which Landlock does not decide; docs/sandbox.md names this."""


def sandboxed() -> bool:
    try:
        return best_level() == "isolated"
    except SandboxError:
        return False


pytestmark = [
    # Its fixed addresses and /tmp/host are one machine's: where tests run in parallel, a file's share a worker (--dist loadfile).
    pytest.mark.skipif(not sandboxed(), reason="this machine gives no isolated sandbox; see `recode doctor`"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="some programs use the system call numbers of x86-64"),
]


def limits_of(program: dict[str, str]) -> Limits:
    if program["name"].endswith("_passes"):
        # A busy machine must not fail it: these tests judge without the second try of a starved program.
        return Limits(seconds=20.0)
    return Limits(seconds=SECONDS.get(program["kind"], PATIENT))


class Host:
    """What an attack would change or find: a file, a variable, a process, listeners."""

    def __init__(self) -> None:
        HOST.mkdir(exist_ok=True)
        (HOST / "canary").write_text("untouched")
        (HOST / "hidden_tests.py").write_text("HIDDEN = {1: 3, 2: 5, 10: 21, 123: 247}\n")
        os.environ["CANARY_ENV"] = "CANARY_ENV"
        self.victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        self._listeners = []
        for family, address in ((socket.AF_INET, ("127.0.0.1", 9999)), (socket.AF_UNIX, "\0recode_canary")):
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
            self._listeners.append(listener)

    def close(self) -> None:
        self.victim.kill()
        self.victim.wait()
        for listener in self._listeners:
            listener.close()
        shutil.rmtree(HOST)
        del os.environ["CANARY_ENV"]

    def harm(self) -> list[str]:
        """What was changed, or left behind."""
        found = []
        if (HOST / "canary").read_text() != "untouched" or sorted(path.name for path in HOST.iterdir()) != [
            "canary",
            "hidden_tests.py",
        ]:
            found.append("files of the host were touched")
        if self.victim.poll() is not None or os.getpriority(os.PRIO_PROCESS, self.victim.pid) != os.getpriority(
            os.PRIO_PROCESS, 0
        ):
            found.append("a process of the host was touched")
        for listener in self._listeners:
            listener.settimeout(0)
            try:
                listener.accept()
                found.append("a listener of the host was reached")
            except BlockingIOError:
                pass
        for folder in ("/tmp", "/dev/shm", "/var/tmp", sys.prefix, sys.base_prefix):
            found += [f"{path} was left" for path in Path(folder).iterdir() if "recode_left" in path.name]
        return found + [f"process {name} was left" for name in strays()]


def strays() -> list[str]:
    """Names of processes that a hostile program marked as its own."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                said = (process / "comm").read_text() + (process / "cmdline").read_text()
            except (OSError, UnicodeDecodeError):
                continue
            if "recode_stray" in said:
                found.append(said)
    return found


class Memory:
    """The most memory that the machine's processes used while something ran, in bytes, above what they used before."""

    def __enter__(self) -> Memory:
        self.peak = 0
        self._before = self._used()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.peak = max(self.peak, self._used() - self._before)

    @staticmethod
    def _used() -> int:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return (int(lines["MemTotal"].split()[0]) - int(lines["MemAvailable"].split()[0])) * 1024


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


LEVELS: tuple[Level, ...] = ("isolated", "reduced")


@pytest.fixture(scope="module", params=LEVELS)
def level(request: pytest.FixtureRequest) -> Level:
    tried = try_level(request.param)
    if not tried.holds:
        pytest.skip(tried.reason)
    return tried.level


@pytest.fixture(scope="module")
def fork_server(level: Level) -> Iterator[ForkServer]:
    made = ForkServer(Interpreter(), level)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def tester(level: Level) -> Iterator[ForkServer]:
    made = ForkServer(Interpreter(), level)
    yield made
    made.stop()


def forbidden(program: dict[str, str], verdict: Verdict) -> str | None:
    """What is wrong with a verdict, if anything."""
    name, kind = program["name"], program["kind"]
    if verdict.level == "reduced" and name in OPEN_WHEN_REDUCED:
        return None if verdict.outcome == "passed" else "closed by now: docs/sandbox.md says otherwise"
    if kind in ("forge", "leak", "hang") and verdict.outcome == "passed":
        return "passed"
    if name.endswith("_passes") and verdict.outcome != "passed":
        return f"did not pass: {verdict}"
    return "ungradable" if verdict.outcome == "ungradable" else None


@pytest.mark.parametrize("program", PROGRAMS, ids=[program["name"] for program in PROGRAMS])
def test_values_out(program: dict[str, str], host: Host, fork_server: ForkServer) -> None:
    limits = limits_of(program)
    with Memory() as memory:
        started = time.monotonic()
        verdict = judge_calls(fork_server, program["code"], "solve", CALLS, limits)
        took = time.monotonic() - started
    assert not forbidden(program, verdict)
    # Killed soon after its limit; a machine that runs other tests takes its time to do so.
    assert took < limits.seconds + 5
    assert not host.harm()
    # Other processes of a busy machine count too, so this is looser than the limit; unlimited, the bombs reach 3 to 6 GB.
    assert memory.peak < 2 * limits.memory
    assert judge_calls(fork_server, HONEST, "solve", CALLS, Limits(seconds=10)).outcome == "passed"


@pytest.mark.parametrize(
    "program",
    [program for program in PROGRAMS if program["kind"] in ("forge", "leak")],
    ids=[program["name"] for program in PROGRAMS if program["kind"] in ("forge", "leak")],
)
def test_asserts_in_a_second_sandbox(
    program: dict[str, str], host: Host, fork_server: ForkServer, tester: ForkServer
) -> None:
    verdict = judge_test(fork_server, tester, program["code"], TEST, limits_of(program))
    # A pass of its own making cannot be confirmed.
    assert not forbidden(program, verdict) or verdict.outcome == "ungradable"
    assert not host.harm()
    assert judge_test(fork_server, tester, HONEST, TEST, Limits(seconds=10)).outcome == "passed"


AS_NOBODY = """
import json, sys
from recode.sandbox.judging import Call, judge_calls
from recode.sandbox.second_opinion import judge_test
from recode.sandbox.verdict import Verdict
from recode.sandbox.fork_servers import Interpreter, Limits, ForkServer
given = json.load(sys.stdin)
calls = [Call(args=(x,), expected=2 * x + 1) for x in (1, 2, 10, 123)]
fork_server = ForkServer(Interpreter(), "isolated")
for program, seconds in given:
    verdict = judge_calls(fork_server, program, "solve", calls, Limits(seconds=seconds))
    honest = judge_calls(fork_server, "def solve(x): return 2 * x + 1", "solve", calls, Limits(seconds=10))
    print(json.dumps([verdict.outcome, honest.outcome]), flush=True)
fork_server.stop()
"""


@pytest.mark.slow
def test_as_an_ordinary_user(host: Host) -> None:
    """The same as someone who is not root, whose namespaces are made by bubblewrap."""
    if os.geteuid() != 0:
        pytest.skip("the other tests of this file ran as an ordinary user already")
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    if not Path(python).exists():
        pytest.skip(f"no {python}, and nobody may run root's own Python")
    path = [str(Path(name)) for name in sys.path if name and "site-packages" in name] + [str(HERE.parents[1] / "src")]
    given = [(program["code"], limits_of(program).seconds) for program in PROGRAMS]
    done = subprocess.run(
        [python, "-c", AS_NOBODY], input=json.dumps(given), capture_output=True, text=True, check=False, user=65534, group=65534,
        extra_groups=[], env={"PYTHONPATH": os.pathsep.join(path), "PATH": "/usr/bin:/bin", "HOME": "/tmp"}, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcomes: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) == len(PROGRAMS)
    wrong = {}
    for program, (outcome, honest) in zip(PROGRAMS, outcomes, strict=True):
        verdict = Verdict(outcome=outcome, level="isolated", seconds=0)
        if forbidden(program, verdict) or honest != "passed":
            wrong[program["name"]] = (outcome, honest)
    assert not wrong
    assert not host.harm()
