"""What a script does in a pinned environment: what it prints, raises and warns of, recorded there and judged by others.

Every program runs in a fork of an interpreter that has loaded nothing (unless asked to), so warnings at import are seen, and under the
strongest isolation that the machine gives. What it printed is only what the program says it printed: compare it with something that the program
was never told.
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
"""Wall time; generous, because a busy machine must not turn honest programs into time-outs."""
LIMITS = Limits(seconds=SECONDS, memory=4 << 30, processes=64)
"""Generous in the rest too: libraries with thread pools reserve far more than they use."""

_KEPT_SERVERS = 12
"""Idle fork servers that are kept."""
_TRIES = 3


class Servers:
    """Fork servers that are kept between programs, for any number of threads. Close it when done; at the latest it ends with its owner."""

    def __init__(self) -> None:
        self._idle: list[tuple[tuple[Interpreter, Level], ForkServer]] = []
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _stop_all, self._idle)

    @contextmanager
    def lend(self, interpreter: Interpreter, level: Level) -> Iterator[ForkServer]:
        """Lend a server, which runs one program at a time; it is started when a program needs it."""
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
        """End all servers that are not lent."""
        with self._lock:
            _stop_all(self._idle)

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all servers."""
        self.close()


def _stop_all(idle: list[tuple[tuple[Interpreter, Level], ForkServer]]) -> None:
    while idle:
        idle.pop()[1].stop()


class Raised(Record):
    """An exception that ended a program. `line` is the program's own line, 1-based; None where no frame of it was
    involved.
    """

    category: str
    message: str
    line: int | None
    missing_module: str | None


class Warned(Record):
    """A warning. It is attributed to the program itself (then `line` is the line, 1-based), to a file of a library, or to neither, as for
    code that was text.
    """

    category: str
    message: str
    file_is_program: bool
    line: int | None
    is_deprecation: bool
    file_is_library: bool = False


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
    """Of a watched program the audit events by which it ran code that cannot be attributed, or left its process."""
    detail: str = ""
    level: Level = "unsafe"


def run_program(
    environment: Environment, code: str, *, hash_seed: int = 0, limits: Limits = LIMITS, reviewed: bool = False,
    preload: tuple[str, ...] = (), watched: bool = False, servers: Servers | None = None,
) -> Execution:  # fmt: skip
    """Run a program in a fresh process of a pinned environment.

    Args:
        environment: where it runs.
        code: the program.
        hash_seed: the seed of string hashes, 0 to 4294967295; a program whose output depends on it is not
            deterministic.
        limits: wall time and the rest, after which the program and its children are killed.
        reviewed: whether the user said that they trust the program (`--trust`); nothing a file says of itself counts. Where a
            machine gives no isolation, trusted programs run without it, and others not at all.
        watched: whether to report events, see `Execution.events`.
        servers: the caller's fork servers, for many programs; without them one is started for this program alone.
        preload: modules loaded once, before any program: much faster, but what they warn of while they are imported is not seen.

    Returns:
        what it did; `stdout` has at most `limits.output` bytes. What a program does is never raised as an exception.

    Raises:
        SandboxError: there is no isolation and the program was not reviewed, or the sandbox fails again and again.
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
                raise SandboxError(f"{environment.folder}: programs cannot be run there: {fault}") from None
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
        # What is reported while the program runs comes before its end; nothing sent can be taken back.
        while (report := running.receive()) is not None and report.startswith(_EARLY):
            size += len(report)
            if size > _REPORTED_BYTES:
                break
            reports.append(report)
    return _read(report, reports, running.end(), limits, fork_server.level)


_EARLY = tuple(_wire.encode((tag, None))[:-1] for tag in ("warned", "event"))
"""How the encodings of reports begin."""
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
        return Execution(outcome="crashed", stdout="", detail="a report of the program's own making", level=level)
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
