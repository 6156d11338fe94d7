"""Started by `sitecustomize` in every Python process of a command: instruments the project's modules as they are imported.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import ast
import atexit
import builtins
import importlib.abc
import importlib.machinery
import json
import os
import random
import sys
import tempfile
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recode.migrate.witnesses.runs.guest import _recode_libraries, _recode_values
    from recode.migrate.witnesses.runs.guest._recode_compare import ComparingJudge
    from recode.migrate.witnesses.runs.guest._recode_expressions import Site
    from recode.migrate.witnesses.runs.guest._recode_instrument import Instrumenter
    from recode.migrate.witnesses.runs.guest._recode_judge import Judge, Log
    from recode.migrate.witnesses.runs.guest._recode_old import OldRuns
    from recode.migrate.witnesses.runs.guest._recode_recorder import Recorder, position_of
else:
    import _recode_libraries
    import _recode_values
    from _recode_compare import ComparingJudge
    from _recode_instrument import Instrumenter
    from _recode_judge import Judge, Log
    from _recode_old import OldRuns
    from _recode_recorder import Recorder, position_of

_SEED = 20
_plain_get_code = importlib.machinery.SourceFileLoader.get_code
_plain_warn, _plain_explicit = warnings.warn, warnings.warn_explicit
session: Any = None
"""The `Session` of this process."""


class Session:
    """One process of a recorded command.

    Args:
        settings: `root`, the project's folder; `out`, the folder for the log; `old`, the folders of two recorded runs, if this run is to
            be compared; `moved`, old positions of expressions by file; and what `ComparingJudge` takes.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.root = os.path.join(os.path.realpath(settings["root"]), "")
        self.table: list[Site] = []
        self.places: list[str] = []
        self.of_file: dict[str, tuple[int, int]] = {}
        values = _recode_values.Values()
        is_compared = bool(settings.get("old"))
        log = Log(settings["out"], "found" if is_compared else "log")
        if is_compared:
            old = OldRuns(settings["old"])
            self.judge: Judge = ComparingJudge(self.table, self.places, values, log, old, settings)
        else:
            self.judge = Judge(self.table, self.places, values, log)
        self.recorder = Recorder(self.table, [], self.judge, values)

    def is_own(self, path: str) -> bool:
        """Return whether a file belongs to the project."""
        return os.path.realpath(path).startswith(self.root) and path.endswith((".py", ".pyw"))

    def code(self, path: str, name: str) -> Any:
        """Return the instrumented code of a file; None if it cannot be instrumented."""
        with open(path, "rb") as file:
            source = file.read()
        tree = compile(source, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        made = self.instrument(tree, path, name)
        if name == "__main__":
            made.body.insert(_start_of(made), _call_of_main())
        return compile(made, path, "exec", dont_inherit=True)

    def instrument(self, tree: Any, path: str, name: str = "") -> ast.Module:
        """Instrument a module's syntax tree in place."""
        relative = os.path.relpath(os.path.realpath(path), self.root)
        moved = {tuple(new): old for new, old in self.settings.get("moved", {}).get(relative, ())}
        first = len(self.table)
        made = Instrumenter(self.table).module(tree)
        for site in self.table[first:]:
            spot = moved.get(tuple(site[1:5]), site[1:5])
            self.places.append("%s|%s|%d:%d-%d:%d" % (relative, site.kind, *spot))
        self.of_file[path] = first, len(self.table)
        self.recorder.watched.extend([True] * (len(self.table) - first))
        self.recorder.file_of[path], self.recorder.end_of[path] = first, len(self.table)
        if name:
            _recode_values.project_modules[name] = True
        return made

    # --- warnings ---

    def warned(self, frame: Any, category: type, message: str) -> None:
        """Attribute a warning to the innermost expression of the project that was being evaluated."""
        while frame is not None and frame.f_code.co_filename not in self.of_file:
            frame = frame.f_back
        if frame is None:
            return
        first, last = self.of_file[frame.f_code.co_filename]
        positions = getattr(frame.f_code, "co_positions", None)
        place = position_of(positions, frame.f_lasti) if positions is not None else None
        found = None
        for number in range(first, last):
            site = self.table[number]
            if site[1:5] == place if place is not None else site.line == frame.f_lineno:
                found = number
        if found is None:
            around = [n for n in range(first, last) if self.table[n].line <= frame.f_lineno <= self.table[n].end_line]
            found = around[-1] if around else None
        if found is not None:
            self.judge.warned(found, category, message)


def _start_of(tree: ast.Module) -> int:
    """Return the number of statements that must stay first."""
    number = 1 if ast.get_docstring(tree, clean=False) is not None else 0
    while number < len(tree.body) and getattr(tree.body[number], "module", None) == "__future__":
        number += 1
    return number


def _call_of_main() -> Any:
    made: Any = ast.Expr(ast.Call(ast.Name("@main", ast.Load()), [], []))
    for node in ast.walk(made):
        if isinstance(node, (ast.expr, ast.stmt)):
            node.lineno, node.col_offset, node.end_lineno, node.end_col_offset = 1, 0, 1, 0
    return made


def _category(message: Any, category: Any) -> type:
    if isinstance(message, Warning):
        return type(message)
    return category if isinstance(category, type) else UserWarning


def _watch_warnings(session: Session) -> None:
    def warn(message: Any, category: Any = None, stacklevel: int = 1, *more: Any, **options: Any) -> None:
        session.warned(sys._getframe(1), _category(message, category), str(message))
        _plain_warn(message, category, stacklevel + 1, *more, **options)

    def warn_explicit(message: Any, category: Any = None, *more: Any, **options: Any) -> None:
        session.warned(sys._getframe(1), _category(message, category), str(message))
        _plain_explicit(message, category, *more, **options)

    warnings.warn, warnings.warn_explicit = warn, warn_explicit
    shown = warnings._showwarnmsg  # type: ignore[attr-defined]

    def show(message: Any) -> None:
        # Warnings that C code gives come only here.
        session.warned(sys._getframe(1), message.category, str(message.message))
        shown(message)

    warnings._showwarnmsg = show  # type: ignore[attr-defined]


# --- imports ---


def _watch_imports(session: Session) -> None:
    def get_code(loader: Any, name: str) -> Any:
        path = loader.path
        if not session.is_own(path):
            return _plain_get_code(loader, name)
        try:
            return session.code(path, name)
        except (SyntaxError, ValueError, RecursionError, OSError):
            return _plain_get_code(loader, name)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]


class _Script(importlib.abc.Loader):
    """Runs a script in place of the interpreter, which would not ask an importer for its code."""

    def __init__(self, path: str, code: Any) -> None:
        self.path, self.code = path, code

    def find_spec(self, name: str, target: Any = None) -> Any:
        if name != "__main__":
            return None
        sys.path[0] = os.path.dirname(os.path.realpath(self.path))
        spec = importlib.machinery.ModuleSpec(name, self, origin=self.path)
        spec.has_location = True
        return spec

    def get_code(self, name: str) -> Any:
        return self.code

    def is_package(self, name: str) -> bool:
        return False


def _watch_script(session: Session) -> None:
    """Take a script of the project over: the interpreter asks the path hooks whether the file that it is to run is an archive."""

    def hook(path: str) -> Any:
        if not os.path.isfile(path) or not session.is_own(path):
            raise ImportError(path)
        try:
            return _Script(path, session.code(path, "__main__"))
        except (SyntaxError, ValueError, RecursionError, OSError):
            raise ImportError(path) from None

    sys.path_hooks.insert(0, hook)
    plain_hook = sys.excepthook

    def show_error(kind: Any, error: Any, trace: Any) -> None:
        while trace is not None and "runpy" in trace.tb_frame.f_code.co_filename:
            trace = trace.tb_next
        plain_hook(kind, error.with_traceback(trace), trace)

    sys.excepthook = show_error


def _hook_main() -> None:
    """Give the main module the names that a script has."""
    names = sys._getframe(1).f_globals
    names.update(__spec__=None, __package__=None, __cached__=None)


def pytest_addoption(parser: Any) -> None:
    """Instrument what pytest compiles itself, after it has rewritten the asserts."""
    import _pytest.assertion.rewrite as rewrite

    plain = rewrite.rewrite_asserts

    def rewritten(tree: Any, source: Any, path: Any = None, *more: Any) -> None:
        plain(tree, source, path, *more)
        if path is None or not session.is_own(path):
            return
        relative = os.path.relpath(os.path.realpath(path), session.root)
        dotted = relative.rpartition(".")[0].replace(os.sep, ".")
        _give_ends(tree)
        session.instrument(tree, path, dotted)
        _recode_values.project_modules[dotted.rpartition(".")[2]] = True

    if session is not None and rewrite.rewrite_asserts.__name__ != "rewritten":
        rewrite.rewrite_asserts = rewritten  # type: ignore[assignment]


def _give_ends(tree: Any) -> None:
    """Let what pytest inserted end where it begins: older releases give it no end, and `ast.fix_missing_locations` the module's."""
    node: Any
    for node in ast.walk(tree):
        if getattr(node, "lineno", None) is not None and getattr(node, "end_lineno", None) is None:
            node.end_lineno, node.end_col_offset = node.lineno, node.col_offset


# --- one process ---


def _repeatable() -> None:
    """Give the run the same random numbers and names of temporary files every time."""
    random.seed(_SEED)
    names = tempfile._RandomNameSequence()  # type: ignore[attr-defined]
    names._rng, names._rng_pid = random.Random(_SEED), os.getpid()
    tempfile._name_sequence = names  # type: ignore[attr-defined]


def start() -> None:
    """Begin to record or compare, if the environment says so."""
    global session
    place = os.environ.get("RECODE_RUNS_SETTINGS")
    if not place or session is not None:
        return
    with open(place, encoding="utf-8") as file:
        session = Session(json.load(file))
    _recode_libraries.replaced_texts[:] = [(session.root.rstrip(os.sep), "$PROJECT")]
    if os.environ.get("TMPDIR"):
        _recode_libraries.replaced_texts.insert(0, (os.environ["TMPDIR"], "$TMP"))
    builtins.__dict__.update(session.recorder.hooks())
    builtins.__dict__["@main"] = _hook_main
    _watch_warnings(session)
    _watch_imports(session)
    _watch_script(session)
    _repeatable()
    log = session.judge.log
    main, plain_exit = os.getpid(), os._exit

    def finish() -> None:
        if os.getpid() == main:
            session.judge.finish()
        log.flush()

    def leave(status: int) -> Any:
        finish()
        plain_exit(status)

    os._exit = leave
    os.register_at_fork(after_in_child=log.lines.clear)
    atexit.register(finish)
