"""Goes into the process of the user's tests: says which test evaluated which watched expression, and how each test ended.

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
_Spot = tuple[int, int, int, int]
"""Line, column, last line and end column of an expression or statement."""
_reached: dict[tuple[str, _Spot], set[str]] = {}
_outcomes: dict[str, str] = {}
_watched: dict[str, list[_Spot]] = {}
_files: dict[str, tuple[str, list[_Spot]]] = {}
_codes: dict[int, tuple[Any, dict[int, list[_Spot]], set[int]]] = {}
"""By identity, which holds because it keeps the code: what each instruction tells, and the lines of those that tell anything."""


def _start() -> None:
    out = os.environ.get("RECODE_TRIAL_OUT")
    if not out:
        return
    with open(os.environ["RECODE_TRIAL_WATCH"], encoding="utf-8") as file:  # noqa: PTH123
        _watched.update({name: [tuple(spot) for spot in spots] for name, spots in json.load(file).items()})
    atexit.register(_write, out)
    # Older Pythons do not say where in a line an instruction stands.
    if _watched and sys.version_info >= (3, 11):
        threading.settrace(_on_call)
        sys.settrace(_on_call)


def _on_call(frame: Any, event: str, argument: Any) -> Any:
    code = frame.f_code
    found = _files.get(code.co_filename)
    if found is None:
        path = os.path.abspath(code.co_filename)  # noqa: PTH100
        found = _files[code.co_filename] = path, _watched.get(path, [])
    if not found[1]:
        return None
    if id(code) not in _codes:
        _codes[id(code)] = _told(code, found[1])
    if not _codes[id(code)][1]:
        return None
    frame.f_trace_opcodes = frame.f_lineno in _codes[id(code)][2]
    return _on_event


def _told(code: Any, spots: list[_Spot]) -> tuple[Any, dict[int, list[_Spot]], set[int]]:
    """Return which instructions of a code complete a watched expression: they stand in it and end where it ends."""
    table: dict[int, list[_Spot]] = {}
    lines = set()
    for number, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        if line is None or column is None:
            continue
        found = [one for one in spots if one[2:] == (end_line, end_column) and one[:2] <= (line, column)]
        if found:
            table[2 * number] = found
            lines.add(line)
    return code, table, lines


def _on_event(frame: Any, event: str, argument: Any) -> Any:
    _, table, lines = _codes[id(frame.f_code)]
    if event == "line":
        # Instructions are followed on the lines in question alone: everything else runs as quickly as under any tracer.
        frame.f_trace_opcodes = frame.f_lineno in lines
    elif event == "opcode" and (found := table.get(frame.f_lasti)):
        test = os.environ.get("PYTEST_CURRENT_TEST", _NO_TEST).rpartition(" (")[0]
        path = _files[frame.f_code.co_filename][0]
        for spot in found:
            _reached.setdefault((path, spot), set()).add(test)
    return _on_event


def _write(out: str) -> None:
    sys.settrace(None)
    reached = [[path, spot, sorted(tests)] for (path, spot), tests in _reached.items()]
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
