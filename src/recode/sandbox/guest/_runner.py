"""Runs a program as a script and records its exceptions and warnings, inside the program's own process (`_child.py`).

This file runs in environments without recode, so it imports the standard library only.
"""

from __future__ import annotations

import _thread
import linecache
import os
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from typing import Any

_DEPRECATIONS = (DeprecationWarning, FutureWarning, PendingDeprecationWarning)
_MAX_WARNINGS = 200


def is_deprecation(category: type[Warning]) -> bool:
    """Return whether a warning class announces a deprecation.

    Some libraries derive theirs from UserWarning (numpy's VisibleDeprecationWarning), so the name counts as well.
    """
    return issubclass(category, _DEPRECATIONS) or "deprecat" in category.__name__.lower()


def record_warnings(path: str, send: Callable[[dict[str, Any]], None]) -> None:
    """Report every warning as soon as it is issued, repeats included, whatever the program does to the `warnings` module.

    Args:
        path: the program's file.
        send: sends one warning out of the program's reach.
    """
    module: Any = warnings
    real_show, real_filters = module._showwarnmsg, module.filters
    libraries = _library_folders()
    counted = [0]

    def show(message: Any) -> None:
        deprecation = is_deprecation(message.category)
        counted[0] += not deprecation
        if deprecation or counted[0] <= _MAX_WARNINGS:
            inside = message.filename.startswith(libraries) and os.path.exists(message.filename)
            fitting = _first_fitting(message, vars(module).get("filters", real_filters))
            send(
                {
                    "category": message.category.__name__,
                    "message": str(message.message)[:2000],
                    "file_is_program": message.filename == path,
                    "line": message.lineno if message.filename == path else None,
                    "is_deprecation": deprecation,
                    "file_is_library": bool(inside or message.filename.startswith(_OF_LIBRARIES)),
                    # The frame below is the one that called `warnings.warn`, wherever that attributes its warning to.
                    "issued_by_program": sys._getframe(1).f_code.co_filename == path,
                    "hidden_by_library": isinstance(fitting, _LibraryFilter) and fitting[0] == "ignore",
                }
            )
        _as_the_program_wants(message, vars(module).get("filters", real_filters), real_show)

    module.showwarning = lambda *_, **__: None
    module.simplefilter("always")
    # `warnings` itself adds to the list that its own namespace holds.
    vars(module)["filters"] = _Filters(real_filters, libraries)
    module.__class__ = _watched_module(show, real_filters, libraries)


class _LibraryFilter(tuple):  # type: ignore[type-arg]
    """A warning filter that a library installed."""

    __slots__ = ()


class _Filters(list):  # type: ignore[type-arg]
    """The filters of `warnings`; those that a library adds are marked. Slices, which are plain lists, keep the marks."""

    def __init__(self, filters: Any, libraries: tuple[str, ...]) -> None:
        super().__init__(filters)
        self._libraries = libraries

    def insert(self, index: Any, item: Any) -> None:
        frame: Any = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename == warnings.simplefilter.__code__.co_filename:
            frame = frame.f_back
        by_library = frame is not None and frame.f_code.co_filename.startswith(self._libraries)
        super().insert(index, _LibraryFilter(item) if by_library else item)


def _library_folders() -> tuple[str, ...]:
    folders = {sys.prefix, sys.base_prefix, *map(os.path.realpath, (sys.prefix, sys.base_prefix))}
    return tuple(f"{folder}/" for folder in folders)


def _watched_module(show: Callable[[Any], None], real_filters: Any, libraries: tuple[str, ...]) -> type:
    """Return a class for the `warnings` module.

    The interpreter looks up the module's filters and the function that shows a warning; libraries look up the function that issues one.
    Properties return ours or the real ones, and names set in the module cannot shadow properties.
    """
    every = [("always", None, Warning, None, 0)]
    own_file = warnings.simplefilter.__code__.co_filename

    def filters(self: Any) -> Any:
        asking = sys._getframe(1).f_code.co_filename
        return vars(self).get("filters", real_filters) if asking == own_file else list(every)

    def set_filters(self: Any, value: Any) -> None:
        vars(self)["filters"] = _Filters(value, libraries)

    def set_name(self: Any, name: str, value: Any) -> None:
        if name != "__class__":
            types.ModuleType.__setattr__(self, name, value)

    def fixed(value: Any) -> property:
        return property(lambda self: value, lambda self, _: None)

    names = {
        "filters": property(filters, set_filters), "_showwarnmsg": fixed(show), "warn": fixed(warnings.warn),
        "warn_explicit": fixed(warnings.warn_explicit), "__setattr__": set_name,
    }  # fmt: skip
    return type("module", (types.ModuleType,), names)


_OF_LIBRARIES = ("<__array_function__ internals>", "<frozen ")
"""File names that libraries and the interpreter give to their code that has no file."""


def _as_the_program_wants(message: Any, filters: Any, show: Callable[[Any], None]) -> None:
    """Show, raise or ignore a warning, according to the program's own filters."""
    fitting = _first_fitting(message, filters)
    if fitting is not None and fitting[0] == "ignore":
        return
    if fitting is not None and fitting[0] == "error":
        raise message.message
    show(message)


def _first_fitting(message: Any, filters: Any) -> Any:
    """Return the filter that decides about a warning; None if none fits."""
    text = str(message.message)
    module = message.filename.removesuffix(".py")
    for entry in filters:
        _, pattern, category, where, line = entry
        if (
            issubclass(message.category, category)
            and (pattern is None or pattern.match(text))
            and (where is None or where.match(module))
            and line in (0, message.lineno)
        ):
            return entry
    return None


EVENTS = {
    "exec": "runs text or code objects as code", "compile": "compiles text", "code.__new__": "makes code objects",
    "subprocess.Popen": "starts a process", "os.fork": "forks", "os.forkpty": "forks", "os.system": "starts a process",
    "os.exec": "replaces its process", "os.posix_spawn": "starts a process", "os.spawn": "starts a process",
    "ctypes.dlopen": "loads a C library", "sys._getframe": "looks at frames", "sys._current_frames": "looks at frames",
    "object.__getattr__": "looks at frames", "object.__setattr__": "changes the class of an object", "sys.settrace": "traces code",
    "sys.setprofile": "traces code", "gc.get_objects": "looks at all objects", "gc.get_referrers": "looks at all objects",
    "gc.get_referents": "looks at all objects", "pickle.find_class": "reads a pickle", "marshal.loads": "reads code objects",
    "sys.addaudithook": "watches the interpreter", "builtins.breakpoint": "starts a debugger",
}  # fmt: skip
"""Audit events, with descriptions, that run code which cannot be attributed to a file, or that give access to the recorder."""
_ALWAYS = frozenset(
    (
        "subprocess.Popen",
        "os.fork",
        "os.forkpty",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "ctypes.dlopen",
        "code.__new__",
    )
)
"""Events that count even if a library raises them, because they leave this process or run code under a false name."""


def record_events(path: str, send: Callable[[str], None]) -> None:
    """Report each of the `EVENTS` that the program raises, once. An audit hook cannot be removed."""
    busy: set[int] = set()
    reported: set[str] = set()
    libraries = _library_folders()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        thread = _thread.get_ident()
        if event not in EVENTS or thread in busy:
            return
        busy.add(thread)
        try:
            asking = sys._getframe(1)
            file = asking.f_code.co_filename
            inside = (
                file.startswith((*libraries, "<frozen ", "<__array_function__")) or file == hook.__code__.co_filename
            )
            forged = event == "compile" and _forges_a_file(arguments, libraries)
            if event == "exec" and file.startswith("<frozen importlib"):
                # A module that is neither a library's nor the interpreter's: for example, a copy of a library without its warnings.
                forged = not getattr(arguments[0], "co_filename", "").startswith((*libraries, "<frozen "))
            if event not in reported and (forged or not inside or event in _ALWAYS):
                reported.add(event)
                send(event)
        finally:
            busy.discard(thread)

    sys.addaudithook(hook)


Places = list[tuple[str, dict[str, Any], dict[str, Any]]]
_PARTS = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)


def library_places() -> Places:
    """Return name, namespace and a copy of the namespace of every loaded module of an installed library and of its classes."""
    found: Places = []
    for name, module in list(sys.modules.items()):
        if not isinstance(module, types.ModuleType) or name.partition(".")[0] in sys.stdlib_module_names:
            continue
        found.append((name, vars(module), vars(module).copy()))
    return found


def replaced(before: Places) -> list[str]:
    """Return the functions, classes and modules that libraries held under a name and that were replaced since then."""
    return [
        f"{place}.{name}"
        for place, now, held in before
        for name, value in held.items()
        if isinstance(value, _PARTS) and name != "__builtins__" and now.get(name, value) is not value
    ]


def _forges_a_file(arguments: tuple[Any, ...], libraries: tuple[str, ...]) -> bool:
    """Return whether source is compiled under the name of a library file with different content."""
    source, file = arguments[:2]
    if type(file) is not str or not file.startswith(libraries) or source is None:
        return False
    try:
        with open(file, "rb") as handle:
            held = handle.read()
    except OSError:
        return True
    return held != (source.encode() if isinstance(source, str) else bytes(source))


def missing_module(error: BaseException) -> str | None:
    """Return the name of the module whose absence caused an error, or None."""
    for cause in (error, error.__cause__, error.__context__):
        if isinstance(cause, ModuleNotFoundError) and isinstance(error, ImportError) and cause.name:
            return cause.name
    return None


def run(source: str, path: str) -> dict[str, Any] | None:
    """Run the program as a script with this path; return the exception that ended it as a dictionary, or None."""
    # No such file exists, because the program's folder is empty at the start.
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    main = types.ModuleType("__main__")
    main.__file__ = path
    sys.modules["__main__"] = main
    sys.argv = [path]
    try:
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)
    except SystemExit as error:
        if error.code in (None, 0):
            return None
        return describe(error, path)
    except BaseException as error:  # noqa: BLE001 (whatever a program raises is reported)
        return describe(error, path)
    return None


def describe(error: BaseException, path: str) -> dict[str, Any]:
    """Return an exception's class, message, line in the program and missing module."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if not lines and isinstance(error, SyntaxError) and error.filename == path:
        lines = [error.lineno]
    return {
        "category": type(error).__name__,
        "message": str(error)[:2000],
        "line": lines[-1] if lines else None,
        "missing_module": missing_module(error),
    }
