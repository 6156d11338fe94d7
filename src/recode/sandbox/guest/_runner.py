"""Run one program as a script and note what it raises and warns of. Part of the process that runs it (`_child.py`).

This file runs in an environment that does not have recode: it imports the standard library only.
"""

from __future__ import annotations

import linecache
import sys
import traceback
import types
import warnings
from typing import Any, TextIO

_DEPRECATIONS = (DeprecationWarning, FutureWarning, PendingDeprecationWarning)
_MAX_WARNINGS = 200


def is_deprecation(category: type[Warning]) -> bool:
    """Some libraries derive theirs from UserWarning (numpy's VisibleDeprecationWarning): the name tells."""
    return issubclass(category, _DEPRECATIONS) or "deprecat" in category.__name__.lower()


def record_warnings(path: str, seen: list[dict[str, Any]]) -> None:
    """Show every warning, every time, and keep it instead of printing it."""

    def keep(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if len(seen) < _MAX_WARNINGS:
            seen.append(
                {
                    "category": category.__name__,
                    "message": str(message)[:2000],
                    "file_is_program": filename == path,
                    "line": lineno if filename == path else None,
                    "is_deprecation": is_deprecation(category),
                }
            )

    warnings.simplefilter("always")
    warnings.showwarning = keep


def missing_module(error: BaseException) -> str | None:
    """Return the module whose absence caused an error, or None."""
    for cause in (error, error.__cause__, error.__context__):
        if isinstance(cause, ModuleNotFoundError) and isinstance(error, ImportError) and cause.name:
            return cause.name
    return None


def run(source: str, path: str) -> dict[str, Any] | None:
    """Run the program as a script of this name would be; return the exception as a dictionary, or None."""
    # There is no such file: the program's folder is empty when it begins.
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
    except BaseException as error:  # noqa: BLE001 (whatever a program raises is what we are here to report)
        return describe(error, path)
    return None


def describe(error: BaseException, path: str) -> dict[str, Any]:
    """Return class, text and the program's own line of an exception."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if not lines and isinstance(error, SyntaxError) and error.filename == path:
        lines = [error.lineno]
    return {
        "category": type(error).__name__,
        "message": str(error)[:2000],
        "line": lines[-1] if lines else None,
        "missing_module": missing_module(error),
    }
