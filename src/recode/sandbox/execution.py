"""Runs a script in a pinned environment and records its output, exceptions and warnings; judging them is left to the caller.

Every program runs in a fork of an interpreter that has imported nothing (unless asked to), so warnings at import are seen, and under
the strongest isolation that the machine supports. The recorded output is only what the program claims to have printed, so compare it
with something that the program never had access to.
"""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Self

from pydantic import ValidationError

from recode.errors import SandboxError
from recode.records import Record
from recode.sandbox.environments import Environment
from recode.sandbox.fork_servers import Ended, Fault, ForkServer, Interpreter, Level, Limits, kill_signal
from recode.sandbox.guest import _wire
from recode.sandbox.levels import best_level

SECONDS = 180.0
"""Wall time limit. Generous, so that honest programs do not time out on a busy machine."""
LIMITS = Limits(seconds=SECONDS, memory=4 << 30, processes=64)
"""The other limits are generous too: libraries with thread pools reserve far more memory than they use."""

_KEPT_SERVERS = 12
"""Maximum number of idle fork servers to keep."""
_TRIES = 3


class Servers:
    """A thread-safe pool of fork servers that stay alive between programs. Close it when done; otherwise it is closed when collected."""

    def __init__(self) -> None:
        self._idle: list[tuple[tuple[Interpreter, Level], ForkServer]] = []
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)

    @contextmanager
    def lend(self, interpreter: Interpreter, level: Level) -> Iterator[ForkServer]:
        """Lend a server, which runs one program at a time and is started when a program needs it."""
        key = interpreter, level
        with self._lock:
            place = next((place for place, (own, _) in enumerate(self._idle) if own == key), None)
            fork_server = ForkServer(interpreter, level) if place is None else self._idle.pop(place)[1]
        try:
            yield fork_server
        finally:
            with self._lock:
                self._idle.append((key, fork_server))
                surplus = [self._idle.pop(0)[1] for _ in range(len(self._idle) - _KEPT_SERVERS)]
            for old in surplus:
                old.stop()

    def close(self) -> None:
        """Stop all servers that are not on loan."""
        with self._lock:
            _stop_all(self._idle)

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all servers."""
        self.close()


def _stop_all(idle: list[tuple[tuple[Interpreter, Level], ForkServer]]) -> None:
    while idle:
        idle.pop()[1].stop()


class Raised(Record):
    """An exception that ended a program. `line` is the 1-based line in the program; None if none of its frames was involved."""

    category: str
    message: str
    line: int | None
    missing_module: str | None


class Warned(Record):
    """A warning, attributed to the program itself (`line` is then 1-based), to a library's file, or to neither (code compiled from text)."""

    category: str
    message: str
    file_is_program: bool
    line: int | None
    is_deprecation: bool
    file_is_library: bool = False
    issued_by_program: bool = False
    """The program's own code calls `warnings.warn`."""
    hidden_by_library: bool = False
    """A library ignores it by a filter of its own, so nobody sees it."""

    @property
    def announces_deprecation(self) -> bool:
        """Return whether it says that something a library offers is deprecated, to the one who uses it."""
        return self.is_deprecation and not (self.issued_by_program or self.hidden_by_library)


class Execution(Record):
    """What a program did, and under which isolation.

    `outcome`: it `finished` (also by `sys.exit(0)`), `raised`, ran into the `timeout` (of wall or CPU time), or
    `crashed`: ended without a report, by a signal or for printing or using too much; `detail` then says how.
    """

    outcome: Literal["finished", "raised", "timeout", "crashed"]
    stdout: str
    exception: Raised | None = None
    warnings: tuple[Warned, ...] = ()
    events: tuple[str, ...] = ()
    """For a watched program, the audit events by which it ran code that cannot be attributed, or left its process."""
    detail: str = ""
    level: Level = "unsafe"


def run_program(
    environment: Environment, code: str, *, hash_seed: int = 0, limits: Limits = LIMITS, reviewed: bool = False,
    preload: tuple[str, ...] = (), watched: bool = False, servers: Servers | None = None,
) -> Execution:  # fmt: skip
    """Run a program in a fresh process of a pinned environment.

    Args:
        environment: the environment to run in.
        code: source of the program.
        hash_seed: the seed of string hashes, 0 to 4294967295; a program whose output depends on it is not deterministic.
        limits: the limits beyond which the program and its children are killed.
        reviewed: whether the user vouches for the program (`--trust`); what a file claims about itself never counts. On a machine
            without isolation, trusted programs run without it, and others do not run at all.
        watched: whether to report events; see `Execution.events`.
        servers: the caller's fork servers, for running many programs; without them one is started for this program.
        preload: modules to import once, before any program. This is much faster, but warnings during their import are not seen.

    Returns:
        what the program did; `stdout` has at most `limits.output` bytes. A program's behavior never raises an exception here.

    Raises:
        SandboxError: there is no isolation and the program was not reviewed, or the sandbox failed three times.
    """
    interpreter, level = Interpreter(str(environment.python), preload, hash_seed), _level(reviewed)
    if servers is None:
        with Servers() as own, own.lend(interpreter, level) as fork_server:
            return _tried(fork_server, environment, code, limits, watched)
    with servers.lend(interpreter, level) as fork_server:
        return _tried(fork_server, environment, code, limits, watched)


def _tried(fork_server: ForkServer, environment: Environment, code: str, limits: Limits, watched: bool) -> Execution:
    for attempt in range(1, _TRIES + 1):
        try:
            return _run(fork_server, code, limits, watched)
        except Fault as fault:
            fork_server.stop()
            if attempt == _TRIES:
                raise SandboxError(f"{environment.folder}: programs cannot run in this environment: {fault}") from None
    raise AssertionError


def _level(reviewed: bool) -> Level:
    try:
        return best_level()
    except SandboxError:
        if not reviewed:
            raise
        return "unsafe"


def _run(fork_server: ForkServer, code: str, limits: Limits, watched: bool) -> Execution:
    with fork_server.program("script", limits, watched=watched) as running:
        first = running.receive()
        if first is None or _wire.decode(first) != ("confined",):
            raise Fault("confinement failed" if first is None else str(_wire.decode(first)))
        running.send(code.encode("utf-8", "surrogatepass"))
        reports, size = [], 0
        # Reports sent while the program runs arrive before its final report, and cannot be taken back.
        while (report := running.receive()) is not None and report.startswith(_EARLY):
            size += len(report)
            if size > _REPORTED_BYTES:
                break
            reports.append(report)
    return _read(report, reports, running.end(), limits, fork_server.level)


_EARLY = tuple(_wire.encode((tag, None))[:-1] for tag in ("warned", "event"))
"""Prefixes of the encoded reports that are sent while the program runs."""
_REPORTED_BYTES = 8 << 20


def _read(report: bytes | None, early: Sequence[bytes], ended: Ended, limits: Limits, level: Level) -> Execution:
    if report is None:
        if ended.killed == "timeout" or ended.status == -signal.SIGXCPU:
            return Execution(outcome="timeout", stdout="", level=level)
        how = f"exit status {ended.status}" if ended.status >= 0 else kill_signal(ended.status)
        return Execution(
            outcome="crashed", stdout="", detail=f"killed for {ended.killed}" if ended.killed else how, level=level
        )
    try:
        tag, printed, size, exception = _wire.decode(report)
        said = [_wire.decode(one) for one in early]
        if tag != "ran":
            raise TypeError
        text: str = printed.decode("utf-8", errors="replace")
        if size > limits.output:
            return Execution(
                outcome="crashed", stdout=text, detail=f"printed {size} bytes, more than {limits.output}", level=level
            )
        raised = Raised(**exception) if exception else None
        warnings = tuple(Warned(**_keyed(what)) for how, what in said if how == "warned")
        events = tuple(dict.fromkeys(str(what)[:100] for how, what in said if how == "event"))
    except (_wire.BadFrame, ValidationError, TypeError, ValueError, AttributeError):
        return Execution(outcome="crashed", stdout="", detail="the program sent an invalid report", level=level)
    return Execution(
        outcome="raised" if raised else "finished",
        stdout=text,
        exception=raised,
        warnings=warnings,
        events=events,
        level=level,
    )


def _keyed(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise TypeError
    return value
