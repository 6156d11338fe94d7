"""Runs in a release's environment: imports the modules of a project, one after the other, and writes how each went.

Only the standard library is used. A module that was imported as part of another one is not imported twice.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import warnings
from typing import Any

_SECONDS = 20
_LONGEST = 400


def main(names: list[str], root: str, out: str) -> None:
    """Import modules by name; write one JSON line each: the name, and where and how it failed, or null."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _stop)
    sys.argv = ["import"]
    for name in names:
        signal.alarm(_SECONDS)
        try:
            importlib.import_module(name)
            failure = None
        except BaseException as error:
            failure = described(error, root)
        signal.alarm(0)
        with open(out, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(json.dumps([name, failure]) + "\n")


def _stop(*_: object) -> None:
    raise TimeoutError(f"importing took more than {_SECONDS} s")


def described(error: BaseException, root: str) -> list[Any]:
    """Return the file and line of the project where an error was raised (none if it was elsewhere), and the error."""
    path, line = "", 0
    if isinstance(error, SyntaxError) and error.filename:
        path, line = error.filename, error.lineno or 0
    step = error.__traceback__
    while step is not None:
        file = os.path.abspath(step.tb_frame.f_code.co_filename)  # noqa: PTH100
        if file.startswith(root + os.sep) and file != os.path.abspath(__file__):  # noqa: PTH100
            path, line = file, step.tb_lineno
        step = step.tb_next
    return [os.path.relpath(path, root) if path else "", line, f"{type(error).__name__}: {error}"[:_LONGEST]]


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as given:  # noqa: PTH123
        main(*json.load(given))
    # Threads that a module started do not keep the process.
    os._exit(0)
