"""Goes into the process of the user's tests: says which test reached which watched line, and how each test ended.

It is copied beside the tests and imports the standard library only. pytest loads it as a plugin; every Python under the command
loads it by a `sitecustomize` of one line.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from typing import Any

_NO_TEST = ""
"""Where no test is running: what modules do when they are imported, scripts."""
_reached: dict[tuple[str, int], set[str]] = {}
_outcomes: dict[str, str] = {}
_watched: dict[str, frozenset[int]] = {}
_files: dict[str, tuple[str, frozenset[int]]] = {}


def _start() -> None:
    out = os.environ.get("RECODE_TRIAL_OUT")
    if not out:
        return
    with open(os.environ["RECODE_TRIAL_WATCH"], encoding="utf-8") as file:  # noqa: PTH123
        _watched.update({name: frozenset(lines) for name, lines in json.load(file).items()})
    atexit.register(_write, out)
    if _watched:
        threading.settrace(_on_call)
        sys.settrace(_on_call)


def _on_call(frame: Any, event: str, argument: Any) -> Any:
    name = frame.f_code.co_filename
    found = _files.get(name)
    if found is None:
        path = os.path.abspath(name)  # noqa: PTH100
        found = _files[name] = path, _watched.get(path, frozenset())
    return _on_line if found[1] else None


def _on_line(frame: Any, event: str, argument: Any) -> Any:
    path, lines = _files[frame.f_code.co_filename]
    if event == "line" and frame.f_lineno in lines:
        test = os.environ.get("PYTEST_CURRENT_TEST", _NO_TEST).rpartition(" (")[0]
        _reached.setdefault((path, frame.f_lineno), set()).add(test)
    return _on_line


def _write(out: str) -> None:
    sys.settrace(None)
    reached = [[path, line, sorted(tests)] for (path, line), tests in _reached.items()]
    try:
        with open(os.path.join(out, f"{os.getpid()}.json"), "w", encoding="utf-8") as file:  # noqa: PTH118, PTH123
            json.dump({"reached": reached, "outcomes": _outcomes}, file)
    except OSError:
        pass


def pytest_runtest_logreport(report: Any) -> None:
    """Note how a test ended; a failure of any of its parts counts."""
    says = report.outcome != "passed" or (report.when == "call" and report.nodeid not in _outcomes)
    if says and _outcomes.get(report.nodeid) != "failed":
        _outcomes[report.nodeid] = report.outcome


def pytest_collectreport(report: Any) -> None:
    """Note a file that pytest could not import."""
    if report.outcome == "failed":
        _outcomes[f"collecting {report.nodeid}"] = "failed"


_start()
