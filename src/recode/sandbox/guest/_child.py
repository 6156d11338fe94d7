"""The process that runs one program: it first gives up its privileges, then serves the host's requests.

Standard library only. Nothing here is secret, and no message from here decides a verdict: the program shares this process and could send
the same. The functions of this file are in the order in which they run.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import resource
import socket
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from recode.sandbox.guest import _landlock, _wire

    Serve = Callable[[socket.socket, dict[str, Any]], None]
    """What a confined process does for the host, on its channel and for a job."""
else:
    import _landlock
    import _wire

_LIBC = ctypes.CDLL(None, use_errno=True)
_MS_RDONLY, _MS_NOSUID_NODEV, _MS_NOEXEC = 1, 2 | 4, 8
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 22, 24, 38, 47
_CAPABILITIES = 64
_TALK = 3
_NAME = "main.py"
_PART = 1 << 19


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def run(talk: int, null: int, stdio: list[int], serve: Serve, job: dict[str, Any], config: dict[str, Any]) -> NoReturn:
    """Confine this process, then serve the host on `talk`. Never returns.

    Args:
        talk: the channel to the host.
        null: a descriptor of /dev/null.
        stdio: the program's standard input, output and error, if the host gave them.
        serve: what to do for the host.
        job: what the host asks for.
        config: how the fork server was started.
    """
    status = 1
    try:
        _only(talk, stdio or [null, null, null])
        channel = socket.socket(fileno=_TALK)
        try:
            _confine(job, config)
        except Exception as error:  # noqa: BLE001 (no program runs unless every step has succeeded)
            _wire.send(channel, _wire.encode(("fault", f"{type(error).__name__}: {error}")))
            os._exit(status)
        _wire.send(channel, _wire.encode(("confined",)))
        serve(channel, job)
        status = 0
    finally:
        # Ends without waiting for the program's threads, exit handlers and buffers.
        os._exit(status)


def _only(talk: int, stdio: list[int]) -> None:
    """Close all descriptors but the channel to the host and the standard ones, which are set to those given."""
    high = max(talk, *stdio) + 10
    # First out of the way, as those given may have the numbers that others get.
    for place, handle in enumerate((*stdio, talk)):
        os.dup2(handle, high + place)
    for number in range(_TALK):
        os.dup2(high + number, number)
    os.dup2(high + _TALK, _TALK)
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
    if job["mode"] in ("script", "command"):
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


# --- a program as `python main.py` runs it, with its own standard input, output and error ---


def run_command(channel: socket.socket, job: dict[str, Any]) -> NoReturn:
    """Write the host's files, run the program, and send back the files that the host wants. Never returns.

    The host learns how the program ended from the fork server, and reads what it printed from the files that it gave for that.
    """
    while (said := _wire.decode(_wire.receive(channel) or b""))[0] == "file":
        _write_file(said[1], said[2])
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


def _write_file(name: str, data: bytes) -> None:
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
    threads: Any = sys.modules.get("threading")
    if threads is not None:
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
