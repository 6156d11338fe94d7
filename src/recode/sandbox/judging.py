"""Verdicts on untrusted programs from calls whose results are compared here, and the exchange that test verdicts build on.

A pass is decided only by a process that never ran the program, on positive evidence: every reply came after its question, was decoded
into plain types, and equals the expected value. Exit codes and printed text never count.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any, NoReturn

from pydantic import Field

from recode.records import Record
from recode.sandbox.fork_servers import Ended, Fault, ForkServer, Limits, Program, kill_signal
from recode.sandbox.guest import _wire
from recode.sandbox.verdict import Outcome, Verdict

_SHOWN = 160
_INVALID_REPLY = "the program sent an invalid reply"


class Call(Record):
    """The arguments of one function call, and the value it must return."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = Field(default_factory=dict)
    expected: Any


class Decided(Exception):
    """Raised as soon as the verdict is known."""

    def __init__(self, outcome: Outcome, detail: str = "", starved: bool = False) -> None:
        super().__init__(detail)
        self.outcome, self.detail, self.starved = outcome, detail, starved


def judge_calls(
    fork_server: ForkServer, program: str, entry_point: str, calls: Sequence[Call], limits: Limits
) -> Verdict:
    """Call a function of the program and compare what it returns outside the sandbox.

    The program receives one input at a time, and never an expected value.

    Raises:
        Fault: the sandbox failed; nothing is known about the program.
    """
    with fork_server.program("calls", limits) as running:
        try:
            start(running, program)
            for number, call in enumerate(calls, start=1):
                _check(running, entry_point, call, number)
            verdict = Decided(Outcome.PASSED)
        except Decided as decided:
            verdict = decided
    return Verdict(
        outcome=verdict.outcome,
        level=fork_server.level,
        seconds=running.end().seconds,
        detail=verdict.detail,
        starved=verdict.starved,
    )


def _check(running: Program, entry_point: str, call: Call, number: int) -> None:
    try:
        question = _wire.encode((entry_point, call.args, call.kwargs))
        expected = _wire.encode(("value", call.expected))
    except _wire.NotPlain as error:
        raise Decided(Outcome.UNGRADABLE, f"call {number}: the task holds {error}") from None
    what = f"call {number}"
    tree = parsed(ask(running, question, what))
    if _wire.canonical(tree) == _wire.canonical(_wire.parse(expected)):
        return
    match decoded(tree):
        case ("raised", str(category), str(message)):
            fail(category, message, what)
        case ("other", str(name)):
            raise Decided(Outcome.FAILED, f"{what} returned a {name}, which is not a plain value")
        case ("value", value):
            raise Decided(Outcome.FAILED, f"{what} returned {short(repr(value))}, not {short(repr(call.expected))}")
    raise Decided(Outcome.FAILED, f"{what}: {_INVALID_REPLY}")


def decoded(tree: _wire.Node) -> Any:
    """Decode an unexpected reply for use in a message; values with too many keys are not decoded."""
    try:
        return _wire.value(tree)
    except (_wire.BadFrame, TypeError, ValueError) as error:
        raise Decided(Outcome.FAILED, f"a different value than expected ({error})") from None


def value_of(fork_server: ForkServer, program: str, entry_point: str, limits: Limits) -> Any:
    """Return the plain value that a function of a trusted program returns.

    Raises:
        Fault: the function does not return a plain value.
    """
    with fork_server.program("calls", limits) as running:
        try:
            start(running, program)
            reply = decoded(parsed(ask(running, _wire.encode((entry_point, (), {})), entry_point)))
        except Decided as decided:
            raise Fault(f"{entry_point}: {decided.outcome}: {decided.detail}") from None
    if type(reply) is not tuple or reply[0] != "value":
        raise Fault(f"{entry_point}: {reply}")
    return reply[1]


def launch(running: Program, data: bytes) -> None:
    """Wait for confirmation of the confinement, which is sent before any program code runs; then send the code.

    Raises:
        Fault: the confinement failed.
    """
    word = running.receive()
    said = _wire.decode(word) if word is not None else ("fault", f"the process ended early: {running.end()}")
    if said != ("confined",):
        raise Fault(str(said[1]))
    running.send(data)


def start(running: Program, program: str) -> Sequence[str]:
    """Load the program; return the names it defines, if it reports them."""
    launch(running, program.encode("utf-8", "surrogatepass"))
    match decoded(parsed(reply(running, "the program"))):
        case ("raised", str(category), str(message)):
            fail(category, message, "the program")
        case ("ready",):
            return ()
        case ("ready", [*names]) if all(type(name) is str for name in names):
            return names
    raise Decided(Outcome.FAILED, _INVALID_REPLY)


def ask(running: Program, question: bytes, what: str) -> bytes:
    """Send a question; return the reply."""
    if not running.silent():
        raise Decided(Outcome.FAILED, f"{what}: the program answered before it was asked")
    running.send(question)
    return reply(running, what)


def reply(running: Program, what: str) -> bytes:
    """Return the next message of a program."""
    data = running.receive()
    if data is None:
        raise blame(running.end(), f"{what}: no reply")
    return data


def parsed(data: bytes) -> _wire.Node:
    """Return the structure of a reply."""
    try:
        return _wire.parse(data)
    except _wire.BadFrame as error:
        raise Decided(Outcome.FAILED, f"{_INVALID_REPLY}: {error}") from None


def fail(category: str, message: str, what: str) -> NoReturn:
    """Raise the verdict on a program that raised an exception."""
    outcome = Outcome.OUT_OF_MEMORY if category == "MemoryError" else Outcome.FAILED
    raise Decided(outcome, f"{what} raised {exception_line(category, message)}")


def blame(ended: Ended, what: str) -> Decided:
    """Return the verdict on a program that ended too early."""
    if ended.killed == "timeout" or ended.status == -signal.SIGXCPU:
        return Decided(Outcome.TIMEOUT, f"after {ended.seconds:.1f} s", ended.starved)
    if ended.killed == "memory" or (ended.killed is None and ended.status == -signal.SIGKILL):
        return Decided(Outcome.OUT_OF_MEMORY, "the program and its children used more memory than allowed")
    if ended.killed == "processes":
        return Decided(Outcome.CRASHED, "more processes than allowed")
    how = kill_signal(ended.status) if ended.status < 0 else f"exit status {ended.status}"
    return Decided(Outcome.CRASHED, f"{what}; the process ended ({how})")


def exception_line(category: str, message: str) -> str:
    """Return an exception on one line of bounded length."""
    return short(f"{category}: {message}".strip(": "))


def short(text: str) -> str:
    """Return a text of bounded length."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
