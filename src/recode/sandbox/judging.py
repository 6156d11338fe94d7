"""Verdicts on untrusted programs: values out and compared here, or asserts in a second sandbox that asks the first.

A pass is decided only by a process that never ran the program, from positive evidence: every reply came after its question, was decoded into
built-in types, and equals what was expected with exactly the same types. Exit codes and printed text never count.
"""

from __future__ import annotations

import ast
import builtins
import functools
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from recode.records import Record
from recode.sandbox.guest import _wire
from recode.sandbox.zygotes import Ended, Fault, Level, Limits, Program, Zygote, kill_signal

Outcome = Literal["passed", "failed", "timeout", "out_of_memory", "crashed", "ungradable"]

_OWN_MODULES = {
    "np": "numpy",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
    "nx": "networkx",
    "pl": "polars",
    "sp": "scipy",
}
"""Names under which asserts may use a module without importing it; they get the real one, never what the program calls so."""
_BY_FULL_NAME = frozenset(
    "base64 binascii bisect cmath collections copy datetime decimal fractions functools hashlib heapq itertools json math operator random re "
    "statistics string textwrap typing zlib networkx numpy pandas polars scipy sympy torch".split()
)
"""Modules that asserts may use so too, as owners of what they use (`math.pi`). Not `os`, `time` and the like: what these say, they say of
the sandbox that the program is in."""
_SHOWN = 160


class Call(Record):
    """One question to a function and the value it must return."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = Field(default_factory=dict)
    expected: Any


class Verdict(Record):
    """What a program is worth: the outcome, the isolation it was found under, its wall time, and the reason."""

    outcome: Outcome
    level: Level
    seconds: float
    detail: str = ""


class _Decided(Exception):
    """The verdict is known."""

    def __init__(self, outcome: Outcome, detail: str = "") -> None:
        super().__init__(detail)
        self.outcome, self.detail = outcome, detail


def judge_calls(zygote: Zygote, program: str, entry_point: str, calls: Sequence[Call], limits: Limits) -> Verdict:
    """Call a function of the program and compare what it returns here, outside.

    The program is told one input at a time and never what is expected.

    Raises:
        Fault: the sandbox failed; nothing is known about the program.
    """
    with zygote.program("calls", limits) as running:
        try:
            _start(running, program)
            for number, call in enumerate(calls, start=1):
                _check(running, entry_point, call, number)
            verdict = _Decided("passed")
        except _Decided as decided:
            verdict = decided
    return Verdict(outcome=verdict.outcome, level=zygote.level, seconds=running.end().seconds, detail=verdict.detail)


def _check(running: Program, entry_point: str, call: Call, number: int) -> None:
    try:
        question = _wire.encode(("call", None, entry_point, call.args, call.kwargs))
        expected = _wire.decode(_wire.encode(call.expected))
    except _wire.NotPlain as error:
        raise _Decided("ungradable", f"call {number}: the task holds {error}") from None
    reply = _ask(running, question, f"call {number}")
    if reply[0] == "raised":
        raise _Decided(
            "out_of_memory" if reply[1] == "MemoryError" else "failed", f"call {number} raised {_line(reply)}"
        )
    if isinstance(reply[1], _wire.Handle):
        raise _Decided("failed", f"call {number} returned a {reply[1].type_name}, which is no plain value")
    if not _wire.same(reply[1], expected):
        raise _Decided("failed", f"call {number} returned {_short(reply[1])}, not {_short(expected)}")


def judge_test(zygote: Zygote, tester: Zygote, program: str, test: str, limits: Limits) -> Verdict:
    """Run asserts about the program in a second sandbox; each use of one of its names is a question to the first.

    `tester` is another fork server. The asserts see built-in types and numpy's arrays; whatever else the program returns stays with it, and a
    question about it that would decide an assert, such as whether it is equal or true, is not put to the program.

    Raises:
        Fault: the sandbox failed; nothing is known about the program.
    """
    with zygote.program("calls", limits) as running, tester.program("test", limits) as asserting:
        try:
            names = _start(running, program)
            imports, wanted = _names(test)
            known = {name: bool(names[name]) for name in wanted if name in names}
            _confined(asserting)
            try:
                asked = _wire.encode((test, known, dict(imports)))
            except _wire.NotPlain as error:
                raise _Decided("ungradable", f"the test cannot be sent: {error}") from None
            asserting.send(asked)
            _relay(running, asserting)
            verdict = _Decided("passed")
        except _Decided as decided:
            verdict = decided
    return Verdict(outcome=verdict.outcome, level=zygote.level, seconds=running.end().seconds, detail=verdict.detail)


# A test is put to every sample of its problem, and reading it takes as long as many an answer.
@functools.lru_cache(maxsize=256)
def _names(test: str) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return the modules that a test uses under their usual names without importing them, and the names it must get from the program.

    Built-in names are never the program's: one that defines its own `len` does not decide what the asserts mean.
    """
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise _Decided("ungradable", f"the test does not parse: {error}") from None
    used: set[str] = set()
    bound: set[str] = set()
    owners = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    plainly: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            if id(node) not in owners:
                plainly.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node in tree.body:
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    free = used - bound - set(dir(builtins))
    imports = {name: module for name, module in _OWN_MODULES.items() if name in free}
    # `math.isclose(…)` means Python's own `math`, not what the program calls so; a function of the program may be called `copy`.
    imports |= {name: name for name in (free - plainly) & _BY_FULL_NAME}
    return imports, sorted(free - imports.keys())


def _relay(running: Program, asserting: Program) -> None:
    """Carry questions and answers between the two until the asserts have come to an end."""
    while True:
        data = asserting.receive()
        if data is None:
            raise _blame(asserting.end(), "while the asserts ran")
        said = _tuple(data)
        if said[0] == "held":
            return
        if said[0] == "weak":
            raise _Decided("ungradable" if said[1].startswith("ungradable") else "failed", said[1])
        if said[0] == "raised":
            raise _Decided("out_of_memory" if said[1] == "MemoryError" else "failed", _line(said))
        reply = _ask(running, data, "a reply")
        try:
            answer = _wire.encode(reply)
        except _wire.NotPlain:
            # What was decoded can be encoded, unless the sender's own encoding went beyond the limits.
            raise _Decided("failed", "the program sent a reply of its own making") from None
        asserting.send(answer)


def value_of(zygote: Zygote, program: str, entry_point: str, limits: Limits) -> Any:
    """Return the plain value that a function of a program of our own returns.

    Raises:
        Fault: it returns none.
    """
    with zygote.program("calls", limits) as running:
        try:
            _start(running, program)
            reply = _ask(running, _wire.encode(("call", None, entry_point, (), {})), entry_point)
        except _Decided as decided:
            raise Fault(f"{entry_point}: {decided.outcome}: {decided.detail}") from None
    if reply[0] != "value":
        raise Fault(f"{entry_point} raised {_line(reply)}")
    return reply[1]


def _start(running: Program, program: str) -> dict[str, Any]:
    """Start the program; return its public names, and whether each can be called."""
    _confined(running)
    running.send(program.encode("utf-8", "surrogatepass"))
    reply = _reply(running, "the program")
    if reply[0] == "raised":
        raise _Decided("out_of_memory" if reply[1] == "MemoryError" else "failed", f"the program raised {_line(reply)}")
    if reply[0] != "ready" or len(reply) != 2 or type(reply[1]) is not dict:
        raise _Decided("failed", "the program sent a reply of its own making")
    return reply[1]


def _confined(running: Program) -> None:
    """Wait for the word that confinement holds; it is sent before any code of the program runs.

    Raises:
        Fault: it does not hold.
    """
    data = running.receive()
    said = _wire.decode(data) if data is not None else ("fault", f"the process ended early: {running.end()}")
    if said != ("confined",):
        raise Fault(str(said[1]))


def _ask(running: Program, question: bytes, what: str) -> tuple[Any, ...]:
    if not running.silent():
        raise _Decided("failed", f"{what}: the program answered before it was asked")
    running.send(question)
    reply = _reply(running, what)
    if reply[0] not in ("value", "raised"):
        raise _Decided("failed", f"{what}: a reply of the program's own making")
    return reply


def _reply(running: Program, what: str) -> tuple[Any, ...]:
    data = running.receive()
    if data is None:
        raise _blame(running.end(), f"{what}: no reply")
    return _tuple(data)


def _tuple(data: bytes) -> tuple[Any, ...]:
    """Decode a reply: a tuple whose first item says what it is, with the right number of parts for it."""
    try:
        said = _wire.decode(data)
    except _wire.BadFrame as error:
        raise _Decided("failed", f"the program sent a reply of its own making: {error}") from None
    shapes = {"value": 2, "raised": 4, "ready": 2, "held": 1, "weak": 2, "call": 5, "get": 5, "callable": 5}
    if type(said) is not tuple or not said or type(said[0]) is not str or shapes.get(said[0]) != len(said):
        raise _Decided("failed", "the program sent a reply of its own making")
    if said[0] in ("raised", "weak") and not all(type(part) is str for part in said[1:3]):
        raise _Decided("failed", "the program sent a reply of its own making")
    return said


def _blame(ended: Ended, what: str) -> _Decided:
    """Return the verdict on a program that ended where it should have gone on."""
    if ended.killed == "timeout" or ended.status == -signal.SIGXCPU:
        return _Decided("timeout", f"after {ended.seconds:.1f} s")
    if ended.killed == "memory" or (ended.killed is None and ended.status == -signal.SIGKILL):
        return _Decided("out_of_memory", "the program and its children used more memory than allowed")
    if ended.killed == "processes":
        return _Decided("crashed", "more processes than allowed")
    how = kill_signal(ended.status) if ended.status < 0 else f"exit status {ended.status}"
    return _Decided("crashed", f"{what}; the process ended ({how})")


def _line(raised: tuple[Any, ...]) -> str:
    return _short(f"{raised[1]}: {raised[2]}".strip(": "), quote=False)


def _short(value: Any, quote: bool = True) -> str:
    text = repr(value) if quote else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
