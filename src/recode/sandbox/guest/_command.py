"""Runs a program as `python main.py` does, with its own standard input, output and error, inside the program's process (`_child.py`).

Standard library only: it runs in environments without recode.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
import threading
import types
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from recode.sandbox.guest import _wire
else:
    import _wire

_NAME = "main.py"
_PART = 1 << 19


def run_command(channel: socket.socket, job: dict[str, Any]) -> NoReturn:
    """Write the host's files, run the program, and send back the files that the host wants. Never returns.

    The host learns how the program ended from the fork server, and reads what it printed from the files that it gave for that.
    """
    while (said := _wire.decode(_wire.receive(channel) or b""))[0] == "file":
        _write(said[1], said[2])
    _, source, wanted = said
    if wanted:
        # Whatever the program does to its process, this one is left to read the files.
        pid = os.fork()
        if pid:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            for name in wanted:
                _send_file(channel, name)
            channel.close()
            os._exit(status if status >= 0 else 128 - status)
    channel.close()
    os._exit(_run(source))


def _write(name: str, data: bytes) -> None:
    folder = os.path.dirname(name)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with open(name, "ab") as file:
        file.write(data)


def _send_file(channel: socket.socket, name: str) -> None:
    """Send a file in parts, if it is one that can be read. What a program puts there is as little trusted as what it prints."""
    try:
        if not os.path.isfile(name):
            return
        with open(name, "rb") as file:
            _wire.send(channel, _wire.encode(("file", name, b"")))
            while part := file.read(_PART):
                _wire.send(channel, _wire.encode(("file", name, part)))
    except (OSError, _wire.NotPlain):
        return


def _run(source: bytes) -> int:
    """Run the program; return the exit status that Python would end with."""
    path = os.path.join(os.getcwd(), _NAME)
    _replace(path, source)
    sys.path.insert(0, os.getcwd())
    sys.argv = [path]
    main = types.ModuleType("__main__")
    main.__file__ = path
    sys.modules["__main__"] = main
    status = 0
    try:
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)
    except SystemExit as ended:
        status = _status(ended)
    except BaseException as error:  # noqa: BLE001 (whatever a program raises is shown, as Python shows it)
        # Without the frame of this function.
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        error.__traceback__ = trace
        status = 1
        sys.excepthook(type(error), error, trace)
    threads: Any = threading
    threads._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            status = status or 120
    return status


def _replace(path: str, source: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    while source:
        source = source[os.write(handle, source) :]
    os.close(handle)


def _status(ended: SystemExit) -> int:
    """Return the exit status of `sys.exit`; a message is printed, as Python does."""
    code = ended.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1
