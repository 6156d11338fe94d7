"""The process that runs one program: it gives up everything first, then does what the host asks for.

Standard library only. Nothing here is a secret, and nothing said from here decides a verdict: the program shares this process and may say it
too. The functions of this file are ordered as they run.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import socket
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from recode.sandbox.guest import _landlock, _runner, _wire
else:
    import _landlock
    import _runner
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
        except Exception as error:  # noqa: BLE001 (no program runs unless every step of this has worked)
            _wire.send(channel, _wire.encode(("fault", f"{type(error).__name__}: {error}")))
            os._exit(status)
        _wire.send(channel, _wire.encode(("confined",)))
        _MODES[job["mode"]](channel, job)
        status = 0
    finally:
        # A program's threads, exit handlers and buffers have no say.
        os._exit(status)


def _only(talk: int, null: int) -> None:
    """Keep one descriptor, the talk with the host, beside three that lead nowhere."""
    high = max(talk, null) + 10
    os.dup2(talk, high)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.dup2(high, _TALK)
    os.closerange(_TALK + 1, 65536)


def _confine(job: dict[str, Any], config: dict[str, Any]) -> None:
    level = config["level"]
    # A signal to the process group would reach the fork server, whatever the namespaces.
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
        # Otherwise all forks would draw the same numbers, and no program would look as random as it is.
        sys.modules["numpy.random"].seed()


def _own_identity(job: dict[str, Any]) -> None:
    """Map the zygote's user, and no other, into the new user namespace."""
    uid, gid = job["uid"], job["gid"]
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        _write(f"/proc/self/{name}", text)


def _write(path: str, text: str) -> None:
    # `open` touches so much memory, which is copied after a fork, that it takes three times as long; there are programs by the thousand.
    handle = os.open(path, os.O_WRONLY)
    os.write(handle, text.encode())
    os.close(handle)


def _own_files(job: dict[str, Any]) -> None:
    """Mount a read-only /proc that shows this namespace alone, and an empty folder of limited size; all else is read-only too."""
    flags = _MS_NOSUID_NODEV
    _check(_LIBC.mount(b"proc", b"/proc", b"proc", flags | _MS_NOEXEC | _MS_RDONLY, None), "mounting /proc")
    options = f"size={job['files']},nr_inodes=4096,mode=700".encode()
    _check(_LIBC.mount(b"tmpfs", job["home"].encode(), b"tmpfs", flags, options), "mounting /tmp")
    if job["mode"] == "script":
        # Python's multiprocessing keeps its semaphores there.
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
            # Outside a user namespace of its own it would count all processes of the user.
            continue
        number = getattr(resource, "RLIMIT_" + name)
        hard = resource.getrlimit(number)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (most, most))
    # A user who gave the whole run a better priority than usual did not mean its programs.
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


# --- what a program is asked -------------------------------------------------------------------------------------------------------------


class _Objects:
    """Values that stay in this process; the other side holds their numbers."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def pack(self, value: Any) -> bytes:
        """Return a reply with the value, or with a handle of it."""
        try:
            return _wire.encode(("value", value))
        except _wire.NotPlain:
            self._kept.append(value)
            return _wire.encode(("value", _wire.Handle(len(self._kept) - 1, type(value).__name__[:100])))

    def unpack(self, value: Any) -> Any:
        """Return what a decoded value stands for: arrays as numpy's, handles as the values they name."""
        kind = type(value)
        if kind is _wire.Handle:
            return self._kept[value.number]
        if kind is _wire.Array:
            return as_numpy(value)
        if kind in (list, tuple, set, frozenset):
            return kind(map(self.unpack, value))
        if kind is dict:
            return {self.unpack(key): self.unpack(item) for key, item in value.items()}
        return value

    def ask(self, namespace: dict[str, Any], request: tuple[Any, ...]) -> Any:
        """Do one request: use a global of the program, or a value that stayed here."""
        what, target, name, args, kwargs = request
        owner = self.unpack(target)
        value = namespace[name] if owner is None else getattr(owner, name) if name else owner
        if what == "callable":
            return callable(value)
        return value(*self.unpack(args), **self.unpack(kwargs)) if what == "call" else value


def as_numpy(array: Any) -> Any:
    """Return numpy's array or, of no dimensions, number."""
    import numpy

    made = numpy.frombuffer(array.data, dtype=array.dtype).reshape(array.shape).copy()
    return made[()] if not array.shape else made


def _raised(error: BaseException) -> bytes:
    try:
        message = str(error)
        message = message[:500] if type(message) is str else ""
    except BaseException:  # noqa: BLE001 (an exception may lie, or raise, when it is shown)
        message = ""
    bases = [base.__name__[:80] for base in type(error).__mro__ if base.__module__ == "builtins"][:6]
    return _wire.encode(("raised", str(type(error).__name__)[:80], message, bases))


def _load(program: str) -> dict[str, Any]:
    module = types.ModuleType("solution")
    module.__file__ = "solution.py"
    sys.modules["solution"] = module
    sys.argv = [module.__file__]
    exec(compile(program, module.__file__, "exec"), module.__dict__)
    return module.__dict__


def _text(channel: socket.socket) -> str:
    return (_wire.receive(channel) or b"").decode("utf-8", "surrogatepass")


def _serve_calls(channel: socket.socket, job: dict[str, Any]) -> None:
    """Load the program, then answer requests about its names one by one. It is told inputs, never what is expected."""
    objects = _Objects()
    try:
        namespace = _load(_text(channel))
        names = {name: callable(value) for name, value in namespace.items() if not name.startswith("__")}
        reply = _wire.encode(("ready", names))
    except BaseException as error:  # noqa: BLE001
        _wire.send(channel, _raised(error))
        return
    _wire.send(channel, reply)
    while (request := _wire.receive(channel)) is not None:
        try:
            reply = objects.pack(objects.ask(namespace, _wire.decode(request)))
        except BaseException as error:  # noqa: BLE001
            reply = _raised(error)
        _wire.send(channel, reply)


def _run_script(channel: socket.socket, job: dict[str, Any]) -> None:
    """Run the program as a script; reply what it printed, raised and warned of."""
    source, path = _text(channel), "program.py"
    out = os.open(".", os.O_TMPFILE | os.O_RDWR)
    os.dup2(out, 1)
    seen: list[dict[str, Any]] = []
    _runner.record_warnings(path, seen)
    exception = _runner.run(source, path)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        exception = exception or _runner.describe(error, path)
    os.lseek(out, 0, os.SEEK_SET)
    printed = os.read(out, job["output"])
    _wire.send(channel, _wire.encode(("ran", printed, os.fstat(out).st_size, exception, seen)))


# --- asserts about a program that runs elsewhere --------------------------------------------------------------------------------------------


class _Weak(BaseException):
    """A test asked something of a value that stayed in the other sandbox, and that only the program itself could answer."""


_TRUTHS = frozenset(
    name
    for kind in (str, bytes, set, int, float)
    for name in dir(kind)
    if name.startswith(("is", "startswith", "endswith"))
)
"""Questions to built-in values that decide an assert: an object that stands in for such a value would say yes to all of them."""
_SAMENESS = frozenset(("equals", "equal", "allclose", "array_equal"))
"""Such questions to values of libraries. A real table answers honestly, and from here nobody can tell it from a class that does not."""


class _Remote:
    """A name or a value of the program, used from afar. Questions that decide an assert are never put to the program."""

    __hash__ = object.__hash__

    def __init__(self, ask: Callable[..., Any], target: Any, name: str) -> None:
        self.__dict__["_parts"] = (ask, target, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        ask, target, name = self.__dict__["_parts"]
        answer = ask("call", target, name, args, kwargs)
        if target is not None and name in _TRUTHS:
            raise _Weak(f"`{name}`, asked of an object of the program's own")
        if target is not None and name in _SAMENESS:
            raise _Weak(f"ungradable: `{name}`, asked of a value that cannot leave the program's process")
        return answer

    def __getattr__(self, name: str) -> Any:
        ask, target, own = self.__dict__["_parts"]
        if name.startswith("__"):
            raise AttributeError(name)
        holder = ask("get", target, own, (), {}) if own else self
        if not isinstance(holder, _Remote):
            return getattr(holder, name)
        _, number, _ = holder.__dict__["_parts"]
        # A method is called in one go, so that it need not be a value of its own.
        return _Remote(ask, number, name) if ask("callable", number, name, (), {}) else ask("get", number, name, (), {})

    def _special(self, name: str, *args: Any) -> Any:
        ask, target, own = self.__dict__["_parts"]
        holder = ask("get", target, own, (), {}).__dict__["_parts"][1] if own else target
        try:
            return ask("call", holder, name, args, {})
        except AttributeError as error:
            # As Python says it of a type that lacks a special method.
            raise TypeError(str(error)) from None

    def __len__(self) -> int:
        return int(self._special("__len__"))

    def __getitem__(self, key: Any) -> Any:
        return self._special("__getitem__", key)

    def __iter__(self) -> Any:
        return self._special("__iter__")

    def __next__(self) -> Any:
        return self._special("__next__")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __bool__(self) -> bool:
        raise _Weak("the truth of an object of the program's own")


def _run_test(channel: socket.socket, job: dict[str, Any]) -> None:
    """Run asserts; names of the program are stand-ins that ask the other sandbox through the host."""

    def ask(what: str, target: Any, name: str, args: Any, kwargs: Any) -> Any:
        try:
            request = _wire.encode(
                (what, _away(target), name, tuple(map(_away, args)), {k: _away(v) for k, v in kwargs.items()})
            )
        except _wire.NotPlain as error:
            raise _Weak(f"ungradable: the test passes {error}") from None
        _wire.send(channel, request)
        return _answer(ask, _wire.decode(_wire.receive(channel) or b""))

    source, names, imports = _wire.decode(_wire.receive(channel) or b"")
    module = types.ModuleType("test")
    sys.modules["test"] = module
    for name, is_callable in names.items():
        module.__dict__[name] = _Remote(ask, None, name) if is_callable else ask("get", None, name, (), {})
    try:
        for name, imported in imports.items():
            module.__dict__[name] = _imported(imported)
        exec(compile(source, "test.py", "exec"), module.__dict__)
        reply = _wire.encode(("held",))
    except _Weak as error:
        reply = _wire.encode(("weak", str(error)[:500]))
    except BaseException as error:  # noqa: BLE001
        reply = _raised(error)
    _wire.send(channel, reply)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _Weak(f"ungradable: the test needs {name}: {error}") from None


def _away(value: Any) -> Any:
    """Return a value as it is sent: stand-ins as the handles they hold."""
    if isinstance(value, _Remote):
        ask, target, name = value.__dict__["_parts"]
        return _away(ask("get", target, name, (), {})) if name else target
    return value


def _answer(ask: Callable[..., Any], reply: tuple[Any, ...]) -> Any:
    if reply[0] == "value":
        value = reply[1]
        return _Remote(ask, value, "") if type(value) is _wire.Handle else _Objects().unpack(value)
    _, category, message, bases = reply
    for name in (category, *bases):
        kind = getattr(__import__("builtins"), name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            raise kind(message)
    raise RuntimeError(f"{category}: {message}")


_MODES: dict[str, Callable[[socket.socket, dict[str, Any]], None]] = {
    "calls": _serve_calls,
    "script": _run_script,
    "test": _run_test,
}
