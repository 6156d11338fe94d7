"""Runs a program with its own standard input, output and error, and files beside it, as `python main.py` would."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from recode.sandbox.fork_servers import Ended, Fault, ForkServer, Limits, Program
from recode.sandbox.guest import _wire

_PART = 1 << 19
_READ = 1 << 16


@dataclass(frozen=True)
class CommandRun:
    """What a program printed, in bytes up to `Limits.output` for each stream, how it ended, and the files that were asked for."""

    ended: Ended
    stdout: bytes
    stderr: bytes
    files: dict[str, bytes] = field(default_factory=dict)


def run_command(
    fork_server: ForkServer, code: bytes, limits: Limits, *, stdin: bytes | None = None,
    files: Mapping[str, bytes] | None = None, fetch: Sequence[str] = (),
) -> CommandRun:  # fmt: skip
    """Run a program.

    Args:
        fork_server: the server that runs it.
        code: the program's source.
        limits: its limits. All files that are fetched together may have `limits.files` bytes.
        stdin: its standard input; None: empty.
        files: files in its folder before it starts, by their path in there.
        fetch: files of its folder to read after it ended by itself. A path that is no file is left out.

    Raises:
        Fault: the sandbox failed, which implies nothing about the program.
    """
    with _stdio(stdin) as handles, fork_server.program("command", limits, stdio=handles) as running:
        word = running.receive()
        if word is None or _wire.decode(word) != ("confined",):
            raise Fault("confinement failed" if word is None else str(_wire.decode(word)))
        for name, data in (files or {}).items():
            for start in range(0, max(1, len(data)), _PART):
                running.send(_wire.encode(("file", name, data[start : start + _PART])))
        running.send(_wire.encode(("run", code, tuple(fetch))))
        found = _fetched(running, limits.files) if fetch else {}
        ended = running.wait(limits.seconds * limits.patience)
        return CommandRun(ended, _start_of(handles[1], limits.output), _start_of(handles[2], limits.output), found)


@contextmanager
def _stdio(stdin: bytes | None) -> Iterator[tuple[int, int, int]]:
    """Yield files in memory for a program's standard input, output and error."""
    handles: list[int] = []
    try:
        for name in ("stdin", "stdout", "stderr"):
            handles.append(os.memfd_create(name))
        if stdin:
            rest = memoryview(stdin)
            while rest:
                rest = rest[os.write(handles[0], rest) :]
            os.lseek(handles[0], 0, os.SEEK_SET)
        yield handles[0], handles[1], handles[2]
    finally:
        for handle in handles:
            os.close(handle)


def _start_of(handle: int, most: int) -> bytes:
    """Return the first bytes of a file. It no longer changes: whoever wrote to it has ended."""
    parts: list[bytes] = []
    while (size := sum(map(len, parts))) < most and (part := os.pread(handle, min(_READ, most - size), size)):
        parts.append(part)
    return b"".join(parts)


def _fetched(running: Program, most: int) -> dict[str, bytes]:
    """Return the files that the program's process sends; none more once they are larger than allowed."""
    found: dict[str, bytes] = {}
    size = 0
    while (message := running.receive()) is not None:
        try:
            tag, name, part = _wire.decode(message)
            if (tag, type(name), type(part)) != ("file", str, bytes):
                break
        except (_wire.BadFrame, TypeError, ValueError):
            break
        size += len(part)
        if size > most:
            break
        found[name] = found.get(name, b"") + part
    return found
