"""What a script does in a pinned environment: what it prints, raises and warns of, recorded there and judged by others.

Every program runs in a fork of an interpreter that has loaded nothing (unless asked to), so warnings at import are seen, and under the
strongest isolation that the machine gives. What it printed is only what the program says it printed: compare it with something that the program
was never told.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import OrderedDict
from typing import Any, Literal

from pydantic import ValidationError

from recode.errors import SandboxError
from recode.records import Record
from recode.sandbox.environments import Environment
from recode.sandbox.guest import _wire
from recode.sandbox.levels import best_level
from recode.sandbox.zygotes import Ended, Fault, Interpreter, Level, Limits, Zygote, kill_signal

SECONDS = 180.0
"""Wall time; generous, because a busy machine must not turn honest programs into time-outs."""
LIMITS = Limits(seconds=SECONDS, memory=4 << 30, processes=64)
"""Generous in the rest too: libraries with thread pools reserve far more than they use."""

_KEPT_ZYGOTES = 6
"""Fork servers a thread keeps; one for each environment and hash seed."""
_TRIES = 3


class Raised(Record):
    """An exception that ended a program. `line` is the program's own line, 1-based; None where no frame of it was
    involved.
    """

    category: str
    message: str
    line: int | None
    missing_module: str | None


class Warned(Record):
    """A warning. `file_is_program` says whether it is attributed to the program itself, and `line` to which line
    (1-based).
    """

    category: str
    message: str
    file_is_program: bool
    line: int | None
    is_deprecation: bool


class Execution(Record):
    """What a program did, and under which isolation.

    `outcome`: it `finished` (also by `sys.exit(0)`), `raised`, ran into the `timeout` (of wall or CPU time), or
    `crashed`: ended without a report, by a signal or for printing or using too much; `detail` then says how.
    """

    outcome: Literal["finished", "raised", "timeout", "crashed"]
    stdout: str
    exception: Raised | None = None
    warnings: tuple[Warned, ...] = ()
    detail: str = ""
    level: Level = "unsafe"


def run_program(
    environment: Environment, code: str, *, hash_seed: int = 0, limits: Limits = LIMITS, reviewed: bool = False,
    preload: tuple[str, ...] = (),
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
        preload: modules loaded once, before any program: much faster, but what they warn of while they are imported is not seen.

    Returns:
        what it did; `stdout` has at most `limits.output` bytes. What a program does is never raised as an exception.

    Raises:
        SandboxError: there is no isolation and the program was not reviewed, or the sandbox fails again and again.
    """
    zygote = _zygote(Interpreter(str(environment.python), preload, hash_seed), _level(reviewed))
    for attempt in range(1, _TRIES + 1):
        try:
            return _run(zygote, code, limits)
        except Fault as fault:
            zygote.stop()
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


class _Kept(threading.local):
    """The fork servers of one thread; they end with it."""

    def __init__(self) -> None:
        self.zygotes: OrderedDict[tuple[int, Interpreter, Level], Zygote] = OrderedDict()


_KEPT = _Kept()


def _zygote(interpreter: Interpreter, level: Level) -> Zygote:
    key = (os.getpid(), interpreter, level)
    kept = _KEPT.zygotes
    if key not in kept:
        kept[key] = Zygote(interpreter, level)
    kept.move_to_end(key)
    while len(kept) > _KEPT_ZYGOTES:
        kept.popitem(last=False)[1].stop()
    return kept[key]


def _run(zygote: Zygote, code: str, limits: Limits) -> Execution:
    with zygote.program("script", limits) as running:
        first = running.receive()
        if first is None or _wire.decode(first) != ("confined",):
            raise Fault("confinement failed" if first is None else str(_wire.decode(first)))
        running.send(code.encode("utf-8", "surrogatepass"))
        report = running.receive()
    return _read(report, running.end(), limits, zygote.level)


def _read(report: bytes | None, ended: Ended, limits: Limits, level: Level) -> Execution:
    if report is None:
        if ended.killed == "timeout" or ended.status == -signal.SIGXCPU:
            return Execution(outcome="timeout", stdout="", level=level)
        how = f"exit status {ended.status}" if ended.status >= 0 else kill_signal(ended.status)
        return Execution(
            outcome="crashed", stdout="", detail=f"killed for {ended.killed}" if ended.killed else how, level=level
        )
    try:
        tag, printed, size, exception, warned = _wire.decode(report)
        if tag != "ran":
            raise TypeError
        text: str = printed.decode("utf-8", errors="replace")
        if size > limits.output:
            return Execution(
                outcome="crashed", stdout=text, detail=f"printed {size} bytes, more than {limits.output}", level=level
            )
        raised = Raised(**exception) if exception else None
        warnings = tuple(Warned(**_keyed(warning)) for warning in warned)
    except (_wire.BadFrame, ValidationError, TypeError, ValueError, AttributeError):
        return Execution(outcome="crashed", stdout="", detail="a report of the program's own making", level=level)
    return Execution(
        outcome="raised" if raised else "finished", stdout=text, exception=raised, warnings=warnings, level=level
    )


def _keyed(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise TypeError
    return value
