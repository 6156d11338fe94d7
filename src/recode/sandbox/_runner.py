"""Run one program and report what it raised and warned of. Started by `execution.py` in the pinned environment.

usage: python _runner.py PROGRAM REPORT_FD CPU_SECONDS MEMORY_BYTES FILE_BYTES

This file runs in an environment that does not have recode: it imports the standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import traceback
import types
import warnings
from pathlib import Path
from typing import Any, TextIO

_DEPRECATIONS = (DeprecationWarning, FutureWarning, PendingDeprecationWarning)
_MAX_WARNINGS = 200


def limit(cpu_seconds: int, memory_bytes: int, file_bytes: int) -> None:
    """Set what the program may use; a limit that the system does not have is left out."""
    wanted = {"CPU": cpu_seconds, "AS": memory_bytes, "FSIZE": file_bytes, "CORE": 0, "NOFILE": 256}
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))


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


def run(path: str) -> dict[str, Any] | None:
    """Run the program as a script would be; return the exception as a dictionary, or None."""
    main = types.ModuleType("__main__")
    main.__file__ = path
    sys.modules["__main__"] = main
    sys.argv = [path]
    try:
        exec(compile(Path(path).read_text(encoding="utf-8"), path, "exec"), main.__dict__)
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


def main() -> None:
    """Limit, run, report."""
    path, report = sys.argv[1], int(sys.argv[2])
    limit(*map(int, sys.argv[3:6]))
    seen: list[dict[str, Any]] = []
    record_warnings(path, seen)
    exception = run(path)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        exception = exception or describe(error, path)
    os.write(report, json.dumps({"exception": exception, "warnings": seen}).encode())
    # A program's threads and exit handlers have no say after the report.
    os._exit(0)


if __name__ == "__main__":
    main()
