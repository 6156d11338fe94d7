"""Interpreter state that a test may set and a program may read: random state, replaced built-in functions, and standard input.

Standard library only.
"""

from __future__ import annotations

import builtins
import importlib
import io
import operator
import random
import re
import sys
import types
from collections.abc import Iterable
from typing import Any

_DOTTED = re.compile(r"""['"]([A-Za-z_]\w*(?:\.\w+)*)\.\w+['"]""")
_IMPORT = re.compile(r"^[ \t]*(?:import[ \t]+(.+)|from[ \t]+([\w.]+)[ \t]+import\b)", re.MULTILINE)
_PATCHES = re.compile(r"\bpatch|setattr|^[ \t]*\w+(\.\w+)+[ \t]*=[^=]", re.MULTILINE)
_STREAMS = frozenset(
    ("stdin", "stdout", "stderr", "modules", "path", "last_value", "last_type", "last_traceback", "last_exc")
)
_REPLACEABLE = {"input": input, "print": print, "open": open}
_STDIN = sys.stdin

Changes = tuple[tuple[str, Any], ...]


def seeds() -> Changes:
    """Return the state of the random number generators."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return (("random", random.getstate()),)
    name, keys, place, has_gauss, gauss = numpy.random.get_state()
    return ("random", random.getstate()), ("numpy", (name, keys.tobytes(), place, has_gauss, gauss))


def levels() -> tuple[tuple[str | None, int], ...]:
    """Return the names and levels of the loggers whose level is set, if logging is in use."""
    logging = sys.modules.get("logging")
    if logging is None:
        return ()
    loggers = {None: logging.root, **logging.root.manager.loggerDict}
    return tuple((name, each.level) for name, each in loggers.items() if getattr(each, "level", 0))


class Logs:
    """What a program logs, for the handlers of its test."""

    def __init__(self) -> None:
        self._records: list[tuple[str, int, str, bool]] = []
        self._installed = False
        self._install()

    def _install(self) -> None:
        logging = sys.modules.get("logging")
        if logging is None or self._installed:
            return
        self._installed, real, records = True, logging.Logger.callHandlers, self._records

        def call(logger: Any, record: Any) -> None:
            has_own = logger.hasHandlers()
            if len(records) < _RECORDS:
                records.append((logger.name, record.levelno, str(record.getMessage())[:2000], has_own))
            # Without any handler, the test's side writes it to the standard error stream.
            if has_own:
                real(logger, record)

        logging.Logger.callHandlers = call

    def taken(self) -> tuple[tuple[str, int, str, bool], ...]:
        """Return name of the logger, level, text, and whether the program's own handlers had it, for each record since the last call."""
        self._install()
        found = tuple(self._records)
        self._records.clear()
        return found


_RECORDS = 200


def log_again(records: Any) -> None:
    """Give the test's handlers what the program has logged."""
    logging = importlib.import_module("logging") if records else None
    for name, level, text, was_handled in records:
        logger = logging.getLogger(name)  # type: ignore[union-attr]
        if logger.isEnabledFor(level) and (logger.hasHandlers() or not was_handled):
            logger.handle(logger.makeRecord(name, level, "solution.py", 0, text, (), None))


def replaced() -> Changes:
    """Return the replaced built-in functions and, if replaced, the text of the standard input."""
    made: list[tuple[str, Any]] = [
        (name, getattr(builtins, name)) for name, own in _REPLACEABLE.items() if getattr(builtins, name) is not own
    ]
    if sys.stdin is not _STDIN and isinstance(sys.stdin, io.StringIO):
        made.append(("stdin", sys.stdin.read()))
    return tuple(made)


class Patches:
    """The attributes of modules that a test replaces, such as `time.time` while `mock.patch` is in effect.

    Args:
        source: the test.
        libraries: installed libraries whose modules may be replaced in.
    """

    def __init__(self, source: str, libraries: Iterable[str]) -> None:
        self._before: dict[str, dict[str, Any]] = {}
        for name in _modules_named(source) if _PATCHES.search(source) else ():
            if name.split(".")[0] in {*sys.stdlib_module_names, *libraries} - {"builtins", "unittest", "pytest"}:
                try:
                    self._before[name] = vars(importlib.import_module(name)).copy()
                except Exception:  # noqa: BLE001 (it is no module)
                    continue

    def now(self) -> tuple[tuple[str, str, Any], ...]:
        """Return module, name and value of every replaced attribute."""
        made = []
        for module, before in self._before.items():
            now = vars(sys.modules[module])
            if len(now) != len(before) or not all(map(operator.is_, now.values(), before.values())):
                made += [
                    (module, name, now[name]) for name, own in before.items()
                    if name not in _STREAMS and name in now and now[name] is not own
                ]  # fmt: skip
        return tuple(made)


def _modules_named(source: str) -> set[str]:
    """Return the modules that a text imports, and those before the last dot of its quoted names."""
    found = set(_DOTTED.findall(source))
    for several, one in _IMPORT.findall(source):
        found |= {part.split(" as ")[0].strip() for part in several.split(",")} | {one}
    return {name for name in found if name}


_originals: dict[tuple[str, str], Any] = {}


def _apply_patches(patches: Any) -> None:
    """Replace attributes of modules as the test has, and put back the others."""
    for (module, name), own in _originals.items():
        setattr(sys.modules[module], name, own)
    _originals.clear()
    for module, name, value in patches:
        owner = importlib.import_module(module)
        if isinstance(owner, types.ModuleType) and hasattr(owner, name):
            _originals[module, name] = getattr(owner, name)
            setattr(owner, name, value)


def apply(changes: Changes) -> None:
    """Apply the other process's changes to this process."""
    given = dict(changes)
    if "random" in given:
        random.setstate(given["random"])
    if "numpy" in given:
        import numpy

        name, keys, *rest = given["numpy"]
        numpy.random.set_state((name, numpy.frombuffer(keys, dtype="uint32"), *rest))
    if "patches" in given:
        _apply_patches(given["patches"])
    if "levels" in given:
        logging = importlib.import_module("logging")
        for name, level in given["levels"]:
            logging.getLogger(name).setLevel(level)
    if "restore" in given:
        for name, own in _REPLACEABLE.items():
            setattr(builtins, name, given.get(name, own))
        if "stdin" in given:
            sys.stdin = io.StringIO(given["stdin"])
