"""The three kinds of process for a test: the program alone, the test alone, and both together.

The run *together* defines what a test means: the program is loaded as a module, its names are passed to the test, and the test runs. The
runs *alone* establish trust: the test's process never runs the program's code, and the program's process never receives expected values.

Program and test each run on a separate thread, and the program's module cannot be imported by name, as in a test harness.
"""

from __future__ import annotations

import ast
import functools
import importlib
import io
import os
import socket
import sys
import threading
import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.sandbox.guest import _classes, _globals, _side, _values, _wire
else:
    import _classes
    import _globals
    import _side
    import _values
    import _wire

_PROGRAM, _TEST = "solution", "test"
_PRINTED = 300_000
_WARNINGS = 100
_SWALLOWED = "an exception swallowed by one of the program's objects"
_STEPS = frozenset(("__next__", "__anext__", "send", "throw", "close", "asend", "athrow", "aclose"))
_COMPARISONS = frozenset(f"__{name}__" for name in "eq ne lt le gt ge".split())
_FRAMEWORKS = frozenset(("unittest", "pytest", "_pytest", "doctest"))
_MOCKS_OWN = frozenset(("configure_mock", "attach_mock", "mock_add_spec", "reset_mock", "method_calls", "mock_calls"))
_ASKED_BY_PYTHON = frozenset(
    f"__{name}__"
    for name in "hash bool len iter next reversed getitem setitem delitem call repr str format bytes int float complex index round trunc floor "
    "ceil abs neg pos invert enter exit aenter aexit aiter anext await length_hint fspath missing".split()
)
"""Special methods whose arguments reveal nothing about the values that a test expects."""


def load(program: str, importable: bool) -> dict[str, Any]:
    """Run a program as a module; return its namespace."""
    module = types.ModuleType(_PROGRAM)
    module.__file__ = _classes.FILES[0]
    sys.modules[_PROGRAM] = module
    sys.argv = [module.__file__]
    exec(compile(program, module.__file__, "exec", dont_inherit=True), module.__dict__)
    if not importable:
        del sys.modules[_PROGRAM]
    return module.__dict__


def raised(error: BaseException) -> tuple[str, str, str]:
    """Return the report of an exception for the host: a tag, its class and its message."""
    try:
        message = str(error)
        message = message[:500] if type(message) is str else ""
    except BaseException:  # noqa: BLE001 (an exception may lie, or raise, when it is shown)
        message = ""
    return "raised", str(type(error).__name__)[:80], message


def _on_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _text(channel: socket.socket) -> str:
    return (_wire.receive(channel) or b"").decode("utf-8", "surrogatepass")


# --- the program alone -------------------------------------------------------------------------------------------------------------------


def serve_program(channel: socket.socket, job: dict[str, Any]) -> None:
    """Load the program and answer the test's requests. The program receives inputs, never expected values."""
    _on_a_thread(functools.partial(_serve_program, channel))


class ProgramSide(_side.Side):
    """Performs the operations that the test requests, and reports the text printed and the warnings issued in the meantime."""

    def __init__(self, exchange: _side.Exchange, own: frozenset[str]) -> None:
        super().__init__(1, exchange, own)
        self._out, self._errors = self._captured(), self._captured()
        sys.stdout, sys.stderr = self._out, self._errors
        self._seen: list[tuple[type[Warning], str, int]] = []
        self._seeded = False
        self._logs = _globals.Logs()
        warnings.simplefilter("always")
        warnings.showwarning = self._see  # type: ignore[assignment]

    @staticmethod
    def _captured() -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogatepass", write_through=True)

    def _see(self, message: Any, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
        if len(self._seen) < _WARNINGS:
            self._seen.append((category, str(message)[:2000], lineno))

    def printed(self) -> tuple[str, str]:
        """Return the text printed to stdout and stderr since the last message."""
        return self._text(self._out), self._text(self._errors)

    @staticmethod
    def _text(stream: io.TextIOWrapper) -> str:
        buffer = stream.buffer
        if not isinstance(buffer, io.BytesIO) or not buffer.tell():
            return ""
        text = buffer.getvalue()[:_PRINTED].decode("utf-8", "surrogatepass")
        buffer.seek(0)
        buffer.truncate()
        return text

    def warned(self) -> tuple[Any, ...]:
        """Return the warnings since the last message."""
        seen, self._seen = tuple(self._seen), []
        return seen

    def changed_globals(self) -> tuple[Any, ...]:
        """Return what was logged and, if the test has set it, the state of the random number generators."""
        logged = self._logs.taken()
        return (*(_globals.seeds() if self._seeded else ()), *((("logs", logged),) if logged else ()))

    def apply_globals(self, changes: Any) -> None:
        """Take over the test's random state, its standard input, and the built-in functions that it has replaced."""
        self._seeded = self._seeded or any(name == "random" for name, _ in changes)
        _globals.apply(changes)

    def serve(
        self, namespace: dict[str, Any], receive: Callable[[], bytes | None], send: Callable[[bytes], None]
    ) -> None:
        """Answer the test's requests until the channel closes. The first one asks for names of the program."""
        while (message := receive()) is not None:
            said = self._read(message)
            if said[0] == "do" and said[1] == "names":
                chosen = {name: namespace[name] for name in said[2][0] if name in namespace}
                said = ("do", "get", (types.SimpleNamespace(names=chosen), "names"), *said[3:])
            send(self.answer(said))
            del said


def _serve_program(channel: socket.socket) -> None:
    source = _text(channel)

    def exchange(message: bytes) -> bytes:
        _wire.send(channel, message)
        return _wire.receive(channel) or b""

    side = ProgramSide(exchange, frozenset((_PROGRAM,)))
    try:
        namespace = load(source, importable=False)
    except BaseException as error:  # noqa: BLE001 (whatever a program raises is reported)
        _wire.send(channel, _wire.encode(raised(error)))
        return
    side.printed()
    side.warned()
    _wire.send(channel, _wire.encode(("ready", [name for name in namespace if type(name) is str])))
    side.serve(namespace, functools.partial(_wire.receive, channel), functools.partial(_wire.send, channel))


# --- the test alone ----------------------------------------------------------------------------------------------------------------------


class _TestSide(_side.Side):
    """The test's side: it sends requests, records where only the program's claim decides, and gives the program little access."""

    def __init__(self, exchange: _side.Exchange, libraries: tuple[str, ...]) -> None:
        super().__init__(0, exchange, frozenset((_TEST,)), libraries)
        self.doubts: list[str] = []
        self.follow_seeds = False
        self.source = ""
        self._seeds: _globals.Changes = ()
        self._replaced = False
        self.patches: _globals.Patches | None = None
        self._patches: tuple[Any, ...] = ()
        self._levels = _globals.levels()

    def changed_globals(self) -> tuple[Any, ...]:
        """Return the random state that the test has set and the built-in functions that it has replaced."""
        changes: list[tuple[str, Any]] = []
        if self.follow_seeds and (now := _globals.seeds()) != self._seeds:
            self._seeds = now
            changes += now
        patches, levels = self.patches.now() if self.patches else (), _globals.levels()
        if patches != self._patches:
            self.plain, self._patches = False, patches
            changes.append(("patches", patches))
        if levels != self._levels:
            changes.append(("levels", (*((name, 0) for name, _ in self._levels), *levels)))
            self._levels = levels
        replaced = _globals.replaced()
        if replaced or self._replaced:
            self._replaced = bool(replaced)
            changes += [("restore", True), *replaced]
        return tuple(changes)

    def apply_globals(self, changes: Any) -> None:
        """Take over what the program has logged, and the random state, from which it has drawn."""
        _globals.log_again(dict(changes).get("logs", ()))
        seeds = [(name, state) for name, state in changes if name in ("random", "numpy")]
        if self.follow_seeds and seeds:
            _globals.apply(tuple(seeds))
            self._seeds = _globals.seeds()

    def doubt(self, reason: str) -> None:
        """Record that something is decided by the program's claim alone."""
        self.doubts.append(reason)

    def ask(self, operation: str, *parts: Any) -> Any:
        """Have the program's side perform an operation; return its result or raise its exception."""
        try:
            return super().ask(operation, *parts)
        except (StopIteration, StopAsyncIteration, GeneratorExit):
            if not operation.endswith("_kept") and not (operation == "method" and parts[1] in _STEPS):
                self.doubt("an exception that ends a loop of the test")
            raise
        except BaseException as error:
            if any(kind.__module__.partition(".")[0] in _FRAMEWORKS for kind in type(error).__mro__):
                self.doubt("an exception that directs the test framework, such as a skipped test,")
            raise

    def use(self, owner: Any, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a method of one of the program's objects, recording a doubt where its answer decides the test."""
        # The test created the object by calling a class of the program, so its methods are the program's interface.
        made_here = _is_made_here(owner)
        if name in _COMPARISONS:
            # Comparing two such objects is part of that interface; comparing one with a value of the test is not.
            is_known = made_here and len(arguments) == 1 and _is_made_here(arguments[0])
        else:
            is_known = (
                made_here
                or isinstance(owner, type)
                or name in _ASKED_BY_PYTHON
                or name in _STEPS
                or not (arguments or named)
            )
        if not is_known:
            self.doubt(f"`{name}` of one of the program's objects decides")
        found = super().use(owner, name, arguments, named)
        is_exit = name in ("__exit__", "__aexit__") and arguments and arguments[0] is not None
        if is_exit and found and not _is_meant(arguments[1], self.source):
            self.doubt(_SWALLOWED)
        return found

    def permit(self, operation: str, parts: Any) -> None:
        """Allow the program to call the test's functions and use the public methods of its objects, and nothing else."""
        target = self._kept.get(parts[0]) if operation == "step_kept" else parts[0]
        if (operation == "call" and _is_ours(target)) or (operation == "step_kept" and _is_plain_object(target)):
            return
        if operation == "get" and type(parts[1]) is str and parts[1].startswith("__"):
            raise AttributeError(parts[1])
        if operation in ("method", "get", "set") and _is_plain_object(target):
            name = parts[1]
            if type(target).__module__ == "unittest.mock" and (
                name in _MOCKS_OWN
                or (operation == "set" and (hasattr(type(target), name) or name.startswith("assert")))
            ):
                raise _values.Unsupported("a change of what the test's mock has seen")
            if type(name) is str and (not name.startswith("_") or name in _classes.SPECIAL):
                return
        raise _values.Unsupported("something of the test's own that a program may not use")


def _is_made_here(value: Any) -> bool:
    """Return whether the test made an object of the program, by calling its class."""
    return getattr(value, "__dict__", {}).get("_recode_own", False) is True


def _is_meant(error: Any, source: str) -> bool:
    """Return whether the test itself raises an exception in the block of a `with` statement, whatever the program returned before."""
    trace = getattr(error, "__traceback__", None)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_code.co_filename != _classes.FILES[1] or isinstance(error, AssertionError):
        return False
    blocks = [node.body for node in ast.walk(ast.parse(source)) if isinstance(node, ast.With | ast.AsyncWith)]
    return any(_always_raises(step) for body in blocks for step in body if step.lineno == trace.tb_lineno)


def _always_raises(step: ast.stmt) -> bool:
    if isinstance(step, ast.Raise):
        return True
    # Such as `1 / 0`.
    return isinstance(step, ast.Expr) and all(
        isinstance(node, ast.BinOp | ast.operator | ast.Constant) for node in ast.walk(step.value)
    )


def _is_ours(target: Any) -> bool:
    while isinstance(target, functools.partial):
        target = target.func
    if isinstance(target, types.BuiltinMethodType) and type(target.__self__) in (
        *_values.MUTABLE,
        io.StringIO,
        io.BytesIO,
    ):
        return True
    if type(target).__module__ == "unittest.mock":
        return True
    code = getattr(getattr(target, "__func__", target), "__code__", None)
    return (
        isinstance(target, types.FunctionType | types.MethodType)
        and code is not None
        and code.co_filename == _classes.FILES[1]
    )


def _is_plain_object(target: Any) -> bool:
    kind = type(target)
    if kind in (io.StringIO, io.BytesIO, map, filter, zip, enumerate, reversed) or kind.__name__.endswith("iterator"):
        return True
    if isinstance(target, types.GeneratorType):
        return target.gi_code.co_filename == _classes.FILES[1]
    return kind.__module__ in (_TEST, "unittest.mock") and not isinstance(target, type)


def run_test(channel: socket.socket, job: dict[str, Any]) -> None:
    """Run a test with stand-ins for the program's names, and report how it ended."""
    _on_a_thread(functools.partial(_run_test, channel))


def _run_test(channel: socket.socket) -> None:
    source, wanted, imports, judges, libraries = _wire.decode(
        _wire.receive(channel) or b"", most_keys=_wire.FRAME_BYTES
    )

    def exchange(message: bytes) -> bytes:
        _wire.send(channel, b"?" + message)
        return _wire.receive(channel) or b""

    side = _TestSide(exchange, tuple(libraries))
    module = types.ModuleType(_TEST)
    sys.modules[_TEST] = module
    sys.stdout, sys.stderr = _nowhere(), _nowhere()
    reads = 0
    try:
        for name, imported in imports.items():
            module.__dict__[name] = importlib.import_module(imported)
        for name, imported in judges.items():
            module.__dict__[name] = getattr(importlib.import_module(imported), name)
        named = side.ask("names", tuple(wanted)) if wanted else {}
        side.questions = 0
        side.plain = True
        for name, value in named.items():
            if value in (AssertionError, Exception, BaseException):
                side.doubt(f"`{name}`, a name of the program for {value.__name__}")
            reads += not callable(value)
            module.__dict__[name] = value
        side.source = source
        side.patches = _globals.Patches(source, libraries)
        side.follow_seeds = "seed" in source or "set_state" in source or "setstate" in source
        exec(compile(source, _classes.FILES[1], "exec", dont_inherit=True), module.__dict__)
        said: tuple[Any, ...] = ("held", "", "")
    except _values.Unsupported as error:
        said = "unsupported", "", str(error)[:500]
    except _values.Malformed as error:
        said = "malformed", "", str(error)[:500]
    except BaseException as error:  # noqa: BLE001 (whatever a test raises is its verdict)
        said = raised(error)
    reply = (*said, side.plain, side.doubts[0] if side.doubts else "", side.questions + reads)
    _wire.send(channel, b"=" + _wire.encode(reply))


def _nowhere() -> Any:
    return open(os.devnull, "w", encoding="utf-8", errors="surrogatepass")


# --- both together -----------------------------------------------------------------------------------------------------------------------


def run_together(channel: socket.socket, job: dict[str, Any]) -> None:
    """Run program and test in this process, and report how they ended."""
    _on_a_thread(functools.partial(_run_together, channel))


def _run_together(channel: socket.socket) -> None:
    program, test, imports = _wire.decode(_wire.receive(channel) or b"")
    sys.stdout, sys.stderr = _nowhere(), _nowhere()
    module = types.ModuleType(_TEST)
    sys.modules[_TEST] = module
    try:
        namespace = load(program, importable=False)
        for name, value in namespace.items():
            if not name.startswith("__") and name not in _values.BUILTINS:
                module.__dict__[name] = value
        for name, imported in imports.items():
            if name not in module.__dict__:
                module.__dict__[name] = importlib.import_module(imported)
        exec(compile(test, _classes.FILES[1], "exec", dont_inherit=True), module.__dict__)
        said: tuple[Any, ...] = ("held", "", "")
    except BaseException as error:  # noqa: BLE001 (whatever is raised is the verdict)
        said = raised(error)
    _wire.send(channel, _wire.encode(said))
