"""The process that runs one program: it first gives up its privileges, then serves the host's requests.

Standard library only. Nothing here is secret, and no message from here decides a verdict: the program shares this process and could send
the same. The functions of this file are in the order in which they run.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from recode.sandbox.guest import _landlock, _runner, _tests, _wire
else:
    import _landlock
    import _runner
    import _tests
    import _wire

_LIBC = ctypes.CDLL(None, use_errno=True)
_MS_RDONLY, _MS_NOSUID_NODEV, _MS_NOEXEC = 1, 2 | 4, 8
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 22, 24, 38, 47
_CAPABILITIES = 64
_TALK = 3


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def run(talk: int, null: int, job: dict[str, Any], config: dict[str, Any]) -> NoReturn:
    """Confine this process, then serve the host on `talk`. Never returns."""
    status = 1
    try:
        _only(talk, null)
        channel = socket.socket(fileno=_TALK)
        try:
            _confine(job, config)
        except Exception as error:  # noqa: BLE001 (no program runs unless every step has succeeded)
            _wire.send(channel, _wire.encode(("fault", f"{type(error).__name__}: {error}")))
            os._exit(status)
        _wire.send(channel, _wire.encode(("confined",)))
        _MODES[job["mode"]](channel, job)
        status = 0
    finally:
        # Ends without waiting for the program's threads, exit handlers and buffers.
        os._exit(status)


def _only(talk: int, null: int) -> None:
    """Close all descriptors but the channel to the host and three that point to /dev/null."""
    high = max(talk, null) + 10
    os.dup2(talk, high)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.dup2(high, _TALK)
    os.closerange(_TALK + 1, 65536)


def _confine(job: dict[str, Any], config: dict[str, Any]) -> None:
    level = config["level"]
    # Otherwise a signal to the process group would reach the fork server in spite of the namespaces.
    os.setsid()
    # The kernel's out-of-memory killer takes this process first.
    _write("/proc/self/oom_score_adj", "1000")
    if level == "isolated":
        _own_identity(job)
        _own_files(job)
    os.chdir(job["home"])
    os.environ["HOME"] = os.environ["TMPDIR"] = job["home"]
    _limit(job, own_user=level == "isolated")
    if level != "unsafe":
        _drop_privileges()
        if level == "reduced":
            _landlock.restrict([*config["readable"], "/proc/self"], [job["home"], "/dev/null"])
        _filter_system_calls(bytes.fromhex(config["seccomp"]))
    if "numpy.random" in sys.modules:
        # Otherwise all forks would draw the same numbers, and random programs would look deterministic.
        sys.modules["numpy.random"].seed()


def _own_identity(job: dict[str, Any]) -> None:
    """Map only the fork server's user and group into the new user namespace."""
    uid, gid = job["uid"], job["gid"]
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        _write(f"/proc/self/{name}", text)


def _write(path: str, text: str) -> None:
    # `open` touches so much copy-on-write memory that it takes three times as long, which matters for thousands of programs.
    handle = os.open(path, os.O_WRONLY)
    os.write(handle, text.encode())
    os.close(handle)


def _own_files(job: dict[str, Any]) -> None:
    """Mount a read-only /proc that shows only this namespace, and an empty folder of limited size. Everything else is read-only already."""
    flags = _MS_NOSUID_NODEV
    _check(_LIBC.mount(b"proc", b"/proc", b"proc", flags | _MS_NOEXEC | _MS_RDONLY, None), "mounting /proc")
    options = f"size={job['files']},nr_inodes=4096,mode=700".encode()
    _check(_LIBC.mount(b"tmpfs", job["home"].encode(), b"tmpfs", flags, options), "mounting /tmp")
    if job["mode"] == "script":
        # Python's multiprocessing keeps its semaphores in /dev/shm.
        _check(_LIBC.mount(b"tmpfs", b"/dev/shm", b"tmpfs", flags, options), "mounting /dev/shm")


def _limit(job: dict[str, Any], own_user: bool) -> None:
    handle = os.open("/proc/self/statm", os.O_RDONLY)
    used = int(os.read(handle, 200).split()[0]) * resource.getpagesize()
    os.close(handle)
    cpu = int(job["seconds"]) + 1
    limits = {
        "CPU": cpu, "AS": used + job["memory"], "NPROC": job["processes"], "FSIZE": job["files"], "NOFILE": 128, "CORE": 0,
        "MSGQUEUE": 0, "MEMLOCK": 0, "SIGPENDING": 256, "RTPRIO": 0, "NICE": 0,
    }  # fmt: skip
    for name, value in limits.items():
        if name == "NPROC" and not own_user:
            # Without a separate user namespace, this limit would count all processes of the user.
            continue
        number = getattr(resource, "RLIMIT_" + name)
        hard = resource.getrlimit(number)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (most, most))
    # A raised priority of the whole run is not meant for the programs in it.
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))


def _drop_privileges() -> None:
    for capability in range(_CAPABILITIES):
        if _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            break
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _LIBC.prctl(_PR_CAP_AMBIENT, 4, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _check(_LIBC.capset(header, (ctypes.c_uint32 * 6)()), "dropping capabilities")


def _filter_system_calls(program: bytes) -> None:
    if not program:
        raise OSError("there is no system call filter")
    _check(
        _LIBC.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(_Filter(len(program) // 8, program)), 0, 0),
        "the system call filter",
    )


# --- requests to a program ---------------------------------------------------------------------------------------------------------------


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


_MODES: dict[str, Callable[[socket.socket, dict[str, Any]], None]] = {
    "calls": _serve_calls,
    "script": _run_script,
    "program": _tests.serve_program,
    "test": _tests.run_test,
    "together": _tests.run_together,
}
