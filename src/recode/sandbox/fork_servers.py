"""The host side of a fork server, which is started under bubblewrap, runs one program at a time and is restarted when it fails."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from recode.errors import SandboxError
from recode.sandbox.bubblewrap import GUEST, SYSTEM, bubblewrap_command, home_of, without
from recode.sandbox.environments import has_safe_path
from recode.sandbox.guest import _wire
from recode.sandbox.system_calls import filter_program

Level = Literal["isolated", "reduced", "unsafe"]
Mode = Literal["calls", "program", "test", "together", "script", "command"]

NOBODY = 65534
_START_SECONDS = 120.0
_END_SECONDS = 10.0
_STARVED = 0.15
_SECRETS = ("pip.conf", "pip.ini", "uv.toml", ".netrc", ".pypirc", "etc/pip.conf")
"""Files of an environment's folder that may hold the tokens of a package index."""
_MESSAGE_BYTES = 1 << 16
_LAST_BYTES = 1 << 14
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


@dataclass(frozen=True)
class Limits:
    """Resource limits of one program, summed over all its processes.

    Wall time is in seconds (the CPU time limit of each process is one second more). Memory, files in its folder and printed output are
    in bytes.
    """

    seconds: float = 3.0
    memory: int = 1 << 30
    processes: int = 16
    files: int = 32 << 20
    output: int = 1 << 19
    patience: float = 1.0
    """How many times `seconds` a program may take in all, if it spends the rest waiting for a core."""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter, and the modules its fork server loads before any program runs."""

    python: str = sys.executable
    preload: tuple[str, ...] = ()
    hash_seed: int = 0

    def command(self) -> str:
        """Return the executable to run.

        For a virtual environment this is its own link, through which Python finds the environment; otherwise links are resolved.
        """
        path = Path(self.python)
        return str(path if (path.parent.parent / "pyvenv.cfg").exists() else path.resolve())

    def folders(self) -> tuple[str, ...]:
        """Return the interpreter's folders outside the system folders: its own and, for a virtual environment, those of its base Python.

        Raises:
            SandboxError: the interpreter does not exist, or its folder also holds the home folder, which every sandboxed program could read.
        """
        path = Path(self.python)
        if not path.exists():
            raise SandboxError(f"{path}: no such Python interpreter")
        found = [path.resolve().parent.parent]
        environment = path.parent.parent
        with suppress(OSError):
            for line in (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition("=")
                if name.strip() == "home":
                    base = Path(value.strip())
                    found += [environment, base.parent, base.resolve().parent]
        outside = {one for one in found if one != Path("/usr") and not str(one).startswith(("/usr/", "/lib", "/bin"))}
        for folder in outside:
            if Path.home().resolve().is_relative_to(folder.resolve()):
                raise SandboxError(
                    f"{path}: belongs to {folder}, which holds your files too; use a virtual environment's Python"
                )
        return tuple(sorted(map(str, outside)))

    def secrets(self) -> tuple[str, ...]:
        """Return the files in the interpreter's folders that no program may read."""
        paths = (Path(folder) / name for folder in self.folders() for name in _SECRETS)
        return tuple(str(path) for path in paths if path.exists())

    def require_python(self) -> None:
        """Check that this is a Python that can run programs.

        Raises:
            SandboxError: it is not a Python of release 3.11 or later.
        """
        self.folders()
        question = [self.command(), "-c", "import sys; print('python', *sys.version_info[:2])"]
        try:
            done = subprocess.run(
                question, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
            )
            word, *version = done.stdout.split()
        except (OSError, subprocess.TimeoutExpired, ValueError):
            word, version = "", []
        if word != "python" or tuple(map(int, version)) < (3, 11):
            raise SandboxError(
                f"{self.python}: not a Python of release 3.11 or later; give the path of one with --python"
            )


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit status, the limit it was killed for, and seconds of wall time and of waiting for a core."""

    status: int
    killed: str | None
    seconds: float
    waited: float = 0.0

    @property
    def starved(self) -> bool:
        """Whether it timed out after spending much of its time (over 15%) waiting for a core."""
        return self.killed == "timeout" and self.waited > _STARVED * self.seconds


class Fault(Exception):
    """The sandbox itself failed, which implies nothing about the program."""


class ForkServer:
    """A fork server. Not thread-safe; it ends with the thread that started it."""

    def __init__(self, interpreter: Interpreter, level: Level, *, commands_only: bool = False) -> None:
        """Take the interpreter, the isolation level, and whether programs run by mode `command` alone, which is then faster."""
        self.interpreter, self.level, self.commands_only = interpreter, level, commands_only
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._control: socket.socket | None = None
        self._folder: str | None = None

    def start(self) -> None:
        """Start the server and wait until its libraries are loaded.

        Raises:
            Fault: it did not start.
        """
        self.stop()
        # A file, not a pipe: nobody reads the server's output while it loads its libraries.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the server is stopped)
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    self._command(theirs.fileno()), pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=self._said, env=_variables(self.interpreter.hash_seed), start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                control.close()
                raise Fault(f"the fork server cannot be started: {error}") from None
        self._control = control
        control.settimeout(_START_SECONDS)
        try:
            control.send(json.dumps(self._config()).encode())
            ready = json.loads(control.recv(_MESSAGE_BYTES) or b'{"fault": "it ended"}')
        except (OSError, ValueError) as error:
            ready = {"fault": str(error)}
        except BaseException:
            # A half-started server would mistake the next program for its configuration.
            self.stop()
            raise
        if "fault" in ready:
            said = self._last_words()
            self.stop()
            raise Fault(f"the fork server did not start: {ready['fault']}{said}")
        control.settimeout(_END_SECONDS)

    def ensure_started(self) -> None:
        """Start the server if it is not running.

        Raises:
            Fault: it did not start.
        """
        if self._control is None:
            self.start()

    def _config(self) -> dict[str, Any]:
        seccomp = (
            ""
            if self.level == "unsafe"
            else filter_program(shares_files=self.level == "reduced", one_session=True).hex()
        )
        readable = [
            *SYSTEM,
            *without(self.interpreter.folders(), self.interpreter.secrets()),
            str(GUEST),
            "/dev/urandom",
            "/dev/zero",
        ]
        return {
            "level": self.level, "preload": self.interpreter.preload, "seccomp": seccomp, "uid": NOBODY, "readable": readable,
            "commands_only": self.commands_only,
        }  # fmt: skip

    def _last_words(self) -> str:
        if self._process is None or self._said is None:
            return ""
        self._process.kill()
        self._process.wait()
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _LAST_BYTES))
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return f" ({lines[-1][:300]})" if lines else ""

    def stop(self) -> None:
        """End the server and everything in it."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # When the sandbox's pid namespace goes, the kernel ends every process in it.
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None
        if self._said is not None:
            self._said.close()
            self._said = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @contextmanager
    def program(
        self, mode: Mode, limits: Limits, *, watched: bool = False, stdio: Sequence[int] = ()
    ) -> Iterator[Program]:
        """Start the process of one program. It and everything it started are killed when the block ends.

        Args:
            mode: what the process does.
            limits: the program's resource limits.
            watched: whether a script reports an event when it runs code that cannot be attributed to a file.
            stdio: descriptors of its standard input, output and error; by default /dev/null.

        Raises:
            Fault: the server does not answer.
        """
        self.ensure_started()
        control = self._control
        assert control is not None
        home = self._home()
        ours, theirs = socket.socketpair()
        job = {"mode": mode, "home": home, "watched": watched, **asdict(limits)}
        with ours:
            ours.settimeout(limits.seconds * limits.patience + 1.0)
            try:
                with theirs:
                    socket.send_fds(control, [json.dumps(job).encode()], [theirs.fileno(), *stdio])
            except OSError as error:
                self.stop()
                raise Fault(f"the fork server is gone: {error}") from None
            program = Program(self, ours)
            try:
                yield program
            finally:
                program.end()
                if self.level != "isolated":
                    shutil.rmtree(home, ignore_errors=True)

    def _home(self) -> str:
        """Return the program's folder: one mounted in the sandbox, or a new folder on the host where there are no mounts."""
        if self.level == "isolated":
            return home_of(self.interpreter)
        self._folder = self._folder or tempfile.mkdtemp(prefix="recode-sandbox-")
        return tempfile.mkdtemp(dir=self._folder)

    def end(self) -> Ended:
        """Kill the running program's remaining processes and return how it ended.

        Raises:
            Fault: the server does not answer; it has been stopped.
        """
        return self._ended(at_once=True)

    def wait(self, seconds: float) -> Ended:
        """Wait until the running program ends by itself or at a limit, and return how it ended.

        Args:
            seconds: how long the program may take; it is allowed some more.

        Raises:
            Fault: the server does not answer; it has been stopped.
        """
        if self._control is not None:
            self._control.settimeout(seconds + _END_SECONDS)
        try:
            return self._ended(at_once=False)
        finally:
            if self._control is not None:
                self._control.settimeout(_END_SECONDS)

    def _ended(self, *, at_once: bool) -> Ended:
        control = self._control
        if control is None:
            raise Fault("the fork server is gone")
        try:
            if at_once:
                control.send(b"end")
            result = json.loads(control.recv(_MESSAGE_BYTES) or b'{"fault": "the fork server ended"}')
        except (OSError, ValueError) as error:
            result = {"fault": f"the fork server did not answer: {error}"}
        if "fault" in result:
            self.stop()
            raise Fault(result["fault"])
        return Ended(**result)

    def _command(self, control: int) -> list[str]:
        # Like `-I`, but Python reads the (cleared) environment: `-I` would ignore the hash seed.
        python = [
            self.interpreter.command(),
            "-s",
            *(["-P"] if has_safe_path(self.interpreter.python) else []),
            "-B",
            "-X",
            "utf8",
            str(GUEST / "_fork_server.py"),
            str(control),
        ]
        return (
            [*bubblewrap_command(self.interpreter, home_of(self.interpreter)), *python]
            if self.level == "isolated"
            else python
        )


class Program:
    """A running program, with which the host exchanges frames."""

    def __init__(self, fork_server: ForkServer, channel: socket.socket) -> None:
        self._fork_server, self._channel = fork_server, channel
        self._ended: Ended | None = None

    def send(self, data: bytes) -> None:
        """Send a frame. If the program no longer reads, the next `receive` notices."""
        with suppress(OSError):
            _wire.send(self._channel, data)

    def receive(self) -> bytes | None:
        """Return the next frame, or None if the program ended, was killed, or sent an invalid frame."""
        try:
            return _wire.receive(self._channel)
        except (OSError, _wire.BadFrame):
            return None

    def silent(self) -> bool:
        """Return whether no data is waiting to be read. A reply that arrives before its question cannot be honest."""
        if not select.select([self._channel], [], [], 0)[0]:
            return True
        try:
            # A closed channel is also readable; the next `receive` reports that.
            return not self._channel.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def wait(self, seconds: float) -> Ended:
        """Wait until it ends by itself or at a limit; return how it ended.

        Args:
            seconds: how long it may take.

        Raises:
            Fault: the fork server does not answer.
        """
        if self._ended is None:
            self._ended = self._fork_server.wait(seconds)
            self._channel.close()
        return self._ended

    def end(self) -> Ended:
        """Kill its remaining processes and return how it ended; repeated calls return the same value.

        Raises:
            Fault: the fork server does not answer.
        """
        if self._ended is None:
            self._channel.close()
            self._ended = self._fork_server.end()
        return self._ended


def _variables(hash_seed: int) -> dict[str, str]:
    return {
        "HOME": "/tmp", "TMPDIR": "/tmp", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "USER": "nobody", "LOGNAME": "nobody",
        "PYTHONHASHSEED": str(hash_seed),
        **dict.fromkeys(_ONE_THREAD, "1"),
    }  # fmt: skip


def kill_signal(status: int) -> str:
    """Return the name of the signal in a negative exit status."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
