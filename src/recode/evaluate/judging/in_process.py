"""Runs tests in the answer's own process, for items whose values cannot leave it: isolated from the machine, and guarded from the answer.

The process reports a pass with a word drawn at random for each run, and only if every test has passed and every function and class of the
loaded libraries is unchanged. `recode.evaluate.judging.guard` lists what an answer must not contain.
"""

from __future__ import annotations

import ast
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from recode.evaluate.benchmark import Advance, Judgement
from recode.evaluate.judging.answers import parsed
from recode.evaluate.judging.guard import refusal
from recode.machine import cores
from recode.sandbox.environments import Environment
from recode.sandbox.execution import Execution, Servers, run_program
from recode.sandbox.fork_servers import Limits
from recode.sandbox.verdict import Outcome

MARK = "judged in the answer's own process"
"""Appears in the detail of every such verdict."""


@dataclass(frozen=True)
class Beside:
    """An answer and its tests.

    `own` is the item's own code, whose constructs the answer may use too. `before` runs first, in the answer's namespace. `name` is the module
    name under which the tests import the answer; if empty, they share its namespace. `runner` is `calls` (every `def test…` is called) or
    `pytest`.
    """

    answer: str
    tests: str
    own: str
    environment: Environment
    before: str = ""
    name: str = ""
    runner: str = "calls"
    preload: tuple[str, ...] = ()


def judge_beside(works: Sequence[Beside], limits: Limits, advance: Advance) -> list[Judgement]:
    """Judge answers concurrently, one per core; return their judgements in order.

    Raises:
        SandboxError: this machine supports no isolation.
    """

    with Servers() as servers, ThreadPoolExecutor(cores()) as pool:

        def judge(work: Beside) -> Judgement:
            judgement = _judge(work, limits, servers)
            advance(1)
            return judgement

        return list(pool.map(judge, works))


def _judge(work: Beside, limits: Limits, servers: Servers) -> Judgement:
    if refused := refusal(work.answer, work.own, "" if work.name else work.tests):
        # It scores 0: otherwise a failing answer could exclude itself from the rate with `import os`.
        return Judgement(Outcome.UNGRADABLE, f"{MARK}: not run, it holds {refused}", {"pass": 0.0}, work.answer)
    word = secrets.token_hex(16)
    run = run_program(work.environment, _script(work, word), limits=limits, preload=work.preload, servers=servers)
    outcome, detail = _read(run, word, _count(work))
    return Judgement(outcome, f"{MARK}: {detail}", {"pass": float(outcome is Outcome.PASSED)}, work.answer)


def _count(work: Beside) -> int | None:
    """Return the number of tests as the harness counts them; None if pytest counts them."""
    tree = parsed(work.tests)
    if work.runner != "calls" or tree is None:
        return None
    names = compile(tree, "tests.py", "exec").co_names
    return sum(name.startswith("test") for name in names)


def _read(run: Execution, word: str, count: int | None) -> tuple[Outcome, str]:
    """Return outcome and detail from a run's output. Only a line that begins with the run's word comes from the harness."""
    if run.outcome == "timeout":
        return Outcome.TIMEOUT, "the tests took too long"
    said = [line for line in run.stdout.splitlines() if line.startswith(word)]
    if len(said) != 1 or run.outcome != "finished":
        how = run.exception.category if run.exception else run.detail or run.outcome
        return (
            Outcome.CRASHED if run.outcome == "crashed" else Outcome.FAILED
        ), f"ended before its tests finished: {how}"
    try:
        report = json.loads(said[0][len(word) :])
        passed, failed = int(report["passed"]), str(report["failed"])[:300]
    except (ValueError, KeyError, TypeError):
        return Outcome.FAILED, "an invalid report"
    if failed or not passed:
        return Outcome.FAILED, failed or "no test ran"
    if count is not None and passed != count:
        return Outcome.FAILED, f"an invalid report: {passed} of {count} tests"
    return Outcome.PASSED, f"{passed} tests passed"


def _script(work: Beside, word: str) -> str:
    """Return the program that runs the tests. The answer is embedded as text, so it is not compiled with the harness."""
    runner: Callable[[], str] = {"calls": lambda: _CALLS, "pytest": lambda: _PYTEST}[work.runner]
    parts = {
        "before": work.before, "answer": work.answer, "tests": work.tests, "name": work.name or "solution",
        "has_classes": sum(isinstance(node, ast.ClassDef) for node in ast.walk(parsed(work.own) or ast.Module([], []))),
        "modules": sorted({"typing_extensions", *_imported(work.own), *_imported(work.tests)}),
    }  # fmt: skip
    return f"{_COMMON}\n{runner()}\n_main({json.dumps(word)}, {json.dumps(parts)})\n"


def _imported(code: str) -> set[str]:
    """Return the modules that a program imports by name."""
    tree = parsed(code)
    found: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


_COMMON = '''
import ctypes, gc, json, linecache, operator, os, sys, types

linecache.cache.clear()
# Otherwise code in this process could read its memory as a file.
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)

def _load(names):
    """Import the modules that tests and item use, so that their content is recorded before the answer runs."""
    import importlib
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException:
            # It is the answer's own module, or one that a test expects to be missing.
            pass

_HELD = type, types.FunctionType, types.BuiltinFunctionType
_METHODS = types.FunctionType, property, classmethod, staticmethod

def _places():
    """For each loaded module and its classes: the place, the owner, a copy of its names, and the kinds that must stay unchanged.

    `warnings` is left out: the look of warnings decides no test, and some libraries change it.
    """
    found = []
    for name, module in list(sys.modules.items()):
        if not isinstance(module, types.ModuleType) or name in ("__main__", "solution", "warnings"):
            continue
        found.append((name, None, vars(module).copy(), _HELD))
        for key, value in found[-1][2].items():
            # Not isinstance: it reads `__class__`, on which some libraries' lazy objects warn or import something.
            if issubclass(type(value), type) and value.__module__ == name:
                found.append((name + "." + key, value, vars(value).copy(), _METHODS))
    return found

_JUDGE = {"__" + name + "__" for name in
    "eq ne lt le gt ge bool len contains getattr getattribute instancecheck subclasscheck array_ufunc array_function".split()}

def _classes():
    """All classes of the process. Garbage collection is off while the tests run, so no new class is missed."""
    found, waiting = {object}, [object]
    while waiting:
        for below in type.__subclasses__(waiting.pop()):
            if below not in found:
                found.add(below)
                waiting.append(below)
    return found

def _is_mock(kind):
    """Whether it is the class of one of the tests' mocks. An answer cannot make mocks: the guard refuses their module."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and kind.__bases__[:1] in [(each,) for each in (mock.MagicMock, mock.AsyncMock, mock.NonCallableMagicMock)]

def _liars(before, file, function=types.FunctionType):
    """The classes created since then whose methods come from the answer and decide how their instances compare."""
    return [
        kind.__name__ for kind in _classes() - before if not _is_mock(kind) for name, value in vars(kind).items()
        if (name in _JUDGE and not isinstance(value, function | None) and getattr(value, "__objclass__", None) is not kind)
        or (isinstance(value, function) and value.__code__.co_filename.endswith(file) and name in _JUDGE)
    ]

def _moved(before, same=operator.is_):
    """The functions and classes that have been replaced or removed."""
    found = []
    for place, owner, names, kinds in before:
        owner = sys.modules.get(place) if owner is None else owner
        now = vars(owner) if isinstance(owner, (types.ModuleType, type)) else {}
        # There are tens of thousands of names. Most owners are unchanged, which this check finds without a Python-level loop.
        if len(now) != len(names) or not all(map(same, now.values(), names.values())):
            found += [
                place + "." + key for key, value in names.items()
                if issubclass(type(value), kinds) and now.get(key, value) is not value
            ]
    return found
'''

_CALLS = """
def _main(word, parts):
    say, dumps = os.write, json.dumps
    module = types.ModuleType(parts["name"])
    sys.modules[parts["name"]] = module
    exec(compile(parts["before"], "before.py", "exec"), module.__dict__)
    tests = compile(parts["tests"], "tests.py", "exec")
    _load(parts["modules"])
    gc.disable()
    known, before, passed, failed = _classes(), _places(), 0, ""
    names = [name for name in tests.co_names if name.startswith("test")]
    try:
        exec(compile(parts["answer"], "answer.py", "exec"), module.__dict__)
        exec(tests, module.__dict__)
        for name in names:
            at = name
            module.__dict__[name]()
            passed += 1
    except BaseException as error:
        failed = (type(error).__name__ + ": " + str(error))[:300] or "failed"
    liars = [] if parts["has_classes"] else _liars(known, "answer.py")
    if liars:
        failed = "it created a class that decides how it compares: " + ", ".join(liars[:3])
    moved = _moved(before)
    if moved:
        failed = "it changed " + ", ".join(moved[:3])
    sys.stdout.flush()
    say(1, ("\\n" + word + dumps({"passed": passed, "failed": failed}) + "\\n").encode())
"""

_PYTEST = """
def _main(word, parts):
    import pytest
    # Otherwise a plugin in the environment would be loaded after the places were recorded.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    say, dumps = os.write, json.dumps
    class Recorder:
        def __init__(self):
            self.passed, self.failed = 0, []
        def pytest_runtest_logreport(self, report):
            if report.failed:
                self.failed.append(report.nodeid.split("::")[-1] + ": " + str(report.longrepr).strip().splitlines()[-1][:200])
            elif report.when == "call" and report.passed:
                self.passed += 1
        def pytest_collectreport(self, report):
            if report.failed:
                self.failed.append(str(report.longrepr).strip().splitlines()[-1][:200])
    os.makedirs("tests", exist_ok=True)
    for path, text in ((parts["name"] + ".py", parts["answer"]), ("tests/test_answer.py", parts["tests"])):
        with open(path, "w") as file:
            file.write(text)
    sys.path[:0] = [os.getcwd()]
    recorder = Recorder()
    _load(parts["modules"])
    gc.disable()
    known, before = _classes(), _places()
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    code = pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir=.", "tests/test_answer.py"], plugins=[recorder])
    failed = "; ".join(recorder.failed)[:300]
    if code != 0 and not failed:
        failed = "pytest ended with " + str(int(code))
    liars = [] if parts["has_classes"] else _liars(known, "/" + parts["name"] + ".py")
    if liars and not failed:
        failed = "it created a class that decides how it compares: " + ", ".join(liars[:3])
    moved = [name for name in _moved(before) if not name.startswith(("_pytest", "pytest"))]
    if moved and not failed:
        failed = "it changed " + ", ".join(moved[:3])
    say(out, ("\\n" + word + dumps({"passed": recorder.passed, "failed": failed}) + "\\n").encode())
"""

HARNESS = hashlib.sha256((_COMMON + _CALLS + _PYTEST).encode()).hexdigest()[:16]
"""Identifies what runs beside the answers: a verdict of another harness may be another one."""
