"""Runs inside the process of the user's tests: records which test evaluated which watched expression, how each test ended, and where.

The file is copied next to the tests and imports only the standard library. pytest loads it as a plugin; every other Python
process of the command loads it through a one-line `sitecustomize`, which pytest would warn of: PYTEST_DONT_REWRITE says that it
need not rewrite any assertions here.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from typing import Any

_NO_TEST = ""
"""Used while no test is running: for what modules do when they are imported, and for scripts."""
_LONGEST = 400
_Spot = tuple[int, int, int, int]
"""Line, column, last line and end column of an expression or statement."""
_reached: dict[tuple[str, _Spot], set[str]] = {}
_outcomes: dict[str, str] = {}
_failures: dict[str, list[Any]] = {}
"""Test → the path, span and error of the project's own expression that raised."""
_watched: dict[str, list[_Spot]] = {}
_files: dict[str, tuple[str, list[_Spot]]] = {}
_tracers: dict[tuple[str, Any, bytes], _CodeTracer | None] = {}
"""By file, code object and its table of positions. Code objects of different files or columns can be equal."""


def _start() -> None:
    out = os.environ.get("RECODE_TRACE_OUT")
    if not out:
        return
    with open(os.environ["RECODE_TRACE_WATCH"], encoding="utf-8") as file:  # noqa: PTH123
        _watched.update({name: [tuple(spot) for spot in spots] for name, spots in json.load(file).items()})
    atexit.register(_write, out)
    sys.excepthook = _recording(sys.excepthook)
    # Older Pythons do not record where in a line an instruction is.
    if _watched and sys.version_info >= (3, 11):
        threading.settrace(_on_call)
        sys.settrace(_on_call)


def _recording(hook: Any) -> Any:
    """Return an exception hook that notes where the exception was raised, and calls another one."""

    def record(kind: Any, value: BaseException, traceback: Any) -> None:
        _note_failure(_NO_TEST, value)
        hook(kind, value, traceback)

    return record


def _note_failure(test: str, error: BaseException) -> None:
    text = f"{type(error).__name__}: {error}"
    where: BaseException | None = error
    for _ in range(10):
        if where is None:
            break
        if place := _place_of(where):
            _failures.setdefault(test, [*place, type(error).__name__, text[:_LONGEST]])
            return
        where = where.__cause__ or where.__context__


def _place_of(error: BaseException) -> list[Any] | None:
    """Return the path and span of the innermost expression of the project in a traceback."""
    root = os.environ.get("RECODE_TRACE_ROOT", "")
    place = None
    if isinstance(error, SyntaxError) and str(error.filename).startswith(root + os.sep):
        return [error.filename, [error.lineno or 1, 0, error.lineno or 1, 1 << 20]]
    step = error.__traceback__
    while step is not None:
        path = os.path.abspath(step.tb_frame.f_code.co_filename)  # noqa: PTH100
        if path.startswith(root + os.sep):
            place = [path, _span_of(step)]
        step = step.tb_next
    return place


def _span_of(step: Any) -> list[int]:
    line = step.tb_lineno
    if hasattr(step.tb_frame.f_code, "co_positions"):
        positions = list(step.tb_frame.f_code.co_positions())
        first, last, column, end_column = positions[min(step.tb_lasti // 2, len(positions) - 1)]
        if None not in (first, last, column, end_column):
            return [first, column, last, end_column]
    return [line, 0, line, 1 << 20]


def _on_call(frame: Any, event: str, argument: Any) -> Any:
    code = frame.f_code
    file = _files.get(code.co_filename)
    if file is None:
        path = os.path.abspath(code.co_filename)  # noqa: PTH100
        file = _files[code.co_filename] = path, _watched.get(path, [])
    path, spots = file
    if not spots:
        return None
    key = code.co_filename, code, code.co_linetable
    if key not in _tracers:
        table = _completing_instructions(code, spots)
        _tracers[key] = _CodeTracer(path, *table) if table[0] else None
    tracer = _tracers[key]
    if tracer is None:
        return None
    frame.f_trace_opcodes = frame.f_lineno in tracer.lines
    return tracer.on_event


def _completing_instructions(code: Any, spots: list[_Spot]) -> tuple[dict[int, list[_Spot]], set[int]]:
    """Return which instructions of a code object complete a watched expression, and their lines.

    An instruction completes an expression if it is part of it and ends where it ends.
    """
    table: dict[int, list[_Spot]] = {}
    lines = set()
    for number, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        if line is None or column is None:
            continue
        completed = [spot for spot in spots if spot[2:] == (end_line, end_column) and spot[:2] <= (line, column)]
        if completed:
            table[2 * number] = completed
            lines.add(line)
    return table, lines


class _CodeTracer:
    """The trace function of one code object's frames."""

    def __init__(self, path: str, table: dict[int, list[_Spot]], lines: set[int]) -> None:
        self.path, self.table, self.lines = path, table, lines

    def on_event(self, frame: Any, event: str, argument: Any) -> Any:
        if event == "line":
            # Instructions are traced on the watched lines only, so everything else runs as fast as under any tracer.
            frame.f_trace_opcodes = frame.f_lineno in self.lines
        elif event == "opcode" and (completed := self.table.get(frame.f_lasti)):
            test = os.environ.get("PYTEST_CURRENT_TEST", _NO_TEST).rpartition(" (")[0]
            for spot in completed:
                _reached.setdefault((self.path, spot), set()).add(test)
        return self.on_event


def _write(out: str) -> None:
    sys.settrace(None)
    reached = [[path, spot, sorted(tests)] for (path, spot), tests in _reached.items()]
    try:
        with open(os.path.join(out, f"{os.getpid()}.json"), "w", encoding="utf-8") as file:  # noqa: PTH118, PTH123
            json.dump({"reached": reached, "outcomes": _outcomes, "failures": _failures}, file)
    except OSError:
        pass


def pytest_runtest_logreport(report: Any) -> None:
    """Record how a test ended; a failure of any of its phases counts."""
    counts = report.outcome != "passed" or (report.when == "call" and report.nodeid not in _outcomes)
    if counts and _outcomes.get(report.nodeid) != "failed":
        _outcomes[report.nodeid] = report.outcome


def pytest_exception_interact(call: Any, report: Any) -> None:
    """Record where the exception that ends a test, or the import of its file, was raised."""
    collecting = "" if hasattr(report, "when") else "collecting "
    _note_failure(f"{collecting}{report.nodeid}", call.excinfo.value)


def pytest_collectreport(report: Any) -> None:
    """Record a file that pytest could not import."""
    if report.outcome == "failed":
        _outcomes[f"collecting {report.nodeid}"] = "failed"


_start()
