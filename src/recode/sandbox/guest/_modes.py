"""What a confined process (`_child.py`) does for the host: it serves calls, runs a script, or takes part in a test.

Standard library only. Nothing here is secret, and no message from here decides a verdict: the program shares this process and could send
the same.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.sandbox.guest import _child, _runner, _tests, _wire
else:
    import _child
    import _runner
    import _tests
    import _wire


def as_numpy(array: Any) -> Any:
    """Return a numpy array or, if it has no dimensions, a numpy number."""
    import numpy

    made = numpy.frombuffer(array.data, dtype=array.dtype).reshape(array.shape).copy()
    return made[()] if not array.shape else made


def _unpacked(value: Any) -> Any:
    """Return a decoded value with its arrays converted to numpy arrays."""
    kind = type(value)
    if kind is _wire.Array:
        return as_numpy(value)
    if kind in (list, tuple, set, frozenset):
        return kind(map(_unpacked, value))
    if kind is dict:
        return {_unpacked(key): _unpacked(item) for key, item in value.items()}
    return value


def _text(channel: socket.socket) -> str:
    return (_wire.receive(channel) or b"").decode("utf-8", "surrogatepass")


def _serve_calls(channel: socket.socket, job: dict[str, Any]) -> None:
    """Load the program, then call its functions on request. The program receives inputs, never expected values."""
    try:
        namespace = _tests.load(_text(channel), importable=True)
        reply = _wire.encode(("ready",))
    except BaseException as error:  # noqa: BLE001 (whatever a program raises is reported)
        _wire.send(channel, _wire.encode(_tests.raised(error)))
        return
    _wire.send(channel, reply)
    while (request := _wire.receive(channel)) is not None:
        try:
            name, args, kwargs = _wire.decode(request, most_keys=_wire.FRAME_BYTES)
            reply = _reply(namespace[name](*_unpacked(args), **_unpacked(kwargs)))
        except BaseException as error:  # noqa: BLE001 (whatever a program raises is the answer)
            reply = _wire.encode(_tests.raised(error))
        _wire.send(channel, reply)


def _reply(value: Any) -> bytes:
    try:
        return _wire.encode(("value", value))
    except _wire.NotPlain:
        return _wire.encode(("other", type(value).__name__[:100]))


def _reporter(channel: socket.socket, fstat: Any = os.fstat, end: Any = os._exit) -> Callable[[Any], None]:
    """Return a function that sends a message at once and irrevocably, and that ends the process if it cannot."""
    number, encode, write = channel.fileno(), _wire.encode, os.write
    own, lock = fstat(number), threading.Lock()

    def report(message: Any) -> None:
        with lock:
            try:
                data = encode(message)
                data = len(data).to_bytes(4, "big") + data
                now = fstat(number)
                if (now.st_ino, now.st_dev) != (own.st_ino, own.st_dev):
                    end(1)
                while data:
                    data = data[write(number, data) :]
            except BaseException:  # noqa: BLE001 (a program must not continue if its reports are lost)
                end(1)

    return report


def _run_script(channel: socket.socket, job: dict[str, Any]) -> None:
    """Run the program as a script; report its output, exception and warnings."""
    source, path = _text(channel), "program.py"
    out = os.open(".", os.O_TMPFILE | os.O_RDWR)
    os.dup2(out, 1)
    report = _reporter(channel)
    _runner.record_warnings(path, lambda warning: report(("warned", warning)))
    if job["watched"]:
        _runner.record_events(path, lambda event: report(("event", event)))
    places = _runner.library_places() if job["watched"] else []
    exception = _runner.run(source, path)
    for name in _runner.replaced(places)[:50]:
        report(("event", f"replaces {name}"))
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        exception = exception or _runner.describe(error, path)
    os.lseek(out, 0, os.SEEK_SET)
    printed = os.read(out, job["output"])
    _wire.send(channel, _wire.encode(("ran", printed, os.fstat(out).st_size, exception)))


MODES: dict[str, _child.Serve] = {
    "calls": _serve_calls,
    "script": _run_script,
    "command": _child.run_command,
    "program": _tests.serve_program,
    "test": _tests.run_test,
    "together": _tests.run_together,
}
