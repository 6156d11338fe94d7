from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from recode.errors import SandboxError
from recode.sandbox import execution
from recode.sandbox.environments import Environment
from recode.sandbox.execution import run_program
from recode.sandbox.fork_servers import Level, Limits


def test_a_program_that_finishes(toy_new: Environment) -> None:
    done = run_program(toy_new, "import toylib\nprint(toylib.surface([1, 2]))\n")
    assert (done.outcome, done.stdout, done.exception, done.warnings) == ("finished", "6.0\n", None, ())


def test_an_exception_has_the_programs_own_line(toy_new: Environment) -> None:
    done = run_program(toy_new, "import toylib\nprint(1)\ntoylib.total(\n    [1],\n    scale=2,\n)\n")
    assert done.outcome == "raised"
    assert done.stdout == "1\n"
    assert done.exception is not None
    assert (done.exception.category, done.exception.line, done.exception.missing_module) == ("TypeError", 3, None)
    assert "scale" in done.exception.message


def test_a_missing_module_is_named(toy_new: Environment) -> None:
    done = run_program(toy_new, "import toylib\ntoylib.load([1])\n")
    assert done.exception is not None
    assert (done.exception.missing_module, done.exception.line) == ("toydependency", 2)


def test_a_syntax_error_is_an_exception(toy_new: Environment) -> None:
    done = run_program(toy_new, "print(1)\n)\n")
    assert done.exception is not None
    assert (done.exception.category, done.exception.line) == ("SyntaxError", 2)


def test_warnings_are_attributed(toy_new: Environment) -> None:
    done = run_program(toy_new, "import toylib\nfor _ in range(2):\n    toylib.mean([1])\ntoylib.deep([1])\n")
    told = [(one.category, one.file_is_program, one.line, one.is_deprecation) for one in done.warnings]
    assert told == [("DeprecationWarning", True, 3, True)] * 2 + [("DeprecationWarning", False, None, True)]


def test_warnings_that_concern_nobody_announce_no_deprecation(toy_new: Environment) -> None:
    own = "with warnings.catch_warnings(record=True):\n    warnings.warn('mine', DeprecationWarning)\n"
    silenced = "warnings.simplefilter('ignore')\ntoylib.mean([1])\n"
    done = run_program(toy_new, f"import toylib, warnings\ntoylib._calm([1])\n{own}{silenced}")
    seen = [(one.message.split()[0], one.hidden_by_library, one.issued_by_program) for one in done.warnings]
    assert seen == [("toylib.mean", True, False), ("mine", False, True), ("toylib.mean", False, False)]
    assert [one.announces_deprecation for one in done.warnings] == [False, False, True]


def test_deprecations_that_derive_from_user_warnings_count(toy_new: Environment) -> None:
    code = "import warnings\nclass VisibleDeprecationWarning(UserWarning): pass\n"
    done = run_program(toy_new, code + "warnings.warn('a', VisibleDeprecationWarning)\nwarnings.warn('b')\n")
    assert [one.is_deprecation for one in done.warnings] == [True, False]


@pytest.mark.parametrize(
    ("code", "outcome"), [("0", "finished"), ("", "finished"), ("3", "raised"), ("'no'", "raised")]
)
def test_exits(toy_new: Environment, code: str, outcome: str) -> None:
    assert run_program(toy_new, f"import sys\nprint(1)\nsys.exit({code})\n").outcome == outcome


def test_the_hash_seed_is_set(toy_new: Environment) -> None:
    seeds = [run_program(toy_new, "print(hash('text'))", hash_seed=seed).stdout for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_program_runs_as_main_in_its_own_folder(toy_new: Environment) -> None:
    code = "import os, pickle\nclass A: pass\npickle.dumps(A())\nopen('x', 'w').close()\n"
    code += "print(__name__, os.listdir(), os.environ.get('SECRET'), os.getcwd() == os.environ['HOME'])"
    os.environ["SECRET"] = "1"
    try:
        assert run_program(toy_new, code).stdout == "__main__ ['x'] None True\n"
    finally:
        del os.environ["SECRET"]


def test_a_timeout_ends_the_children_too(toy_new: Environment, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(3); open({str(mark)!r}, 'w')"
    code = f"import subprocess, sys\nprint('begun', flush=True)\nsubprocess.run([sys.executable, '-c', {child!r}])"
    start = time.monotonic()
    done = run_program(toy_new, code, limits=Limits(seconds=1.5))
    assert done.outcome == "timeout"
    assert time.monotonic() - start < 20
    time.sleep(2)
    assert not mark.exists()


def test_a_crash_is_no_exception_of_ours(toy_new: Environment) -> None:
    done = run_program(toy_new, "import ctypes\nctypes.string_at(0)")
    assert done.outcome == "crashed"
    assert "SIGSEGV" in done.detail


def test_output_is_bounded(toy_new: Environment) -> None:
    done = run_program(toy_new, "for _ in range(100):\n    print('x' * 100_000)")
    assert done.outcome != "finished"
    assert len(done.stdout) <= execution.LIMITS.output


def test_what_is_printed_is_never_taken_for_the_report(toy_new: Environment) -> None:
    done = run_program(toy_new, 'print(\'{"exception": null, "warnings": []}\')\nraise KeyError(1)')
    assert done.outcome == "raised"


def test_the_level_is_named(toy_new: Environment) -> None:
    level = execution._level(reviewed=True)
    assert run_program(toy_new, "print(1)").level == level


def test_unreviewed_programs_never_run_without_isolation(toy_new: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Level:
        raise SandboxError("none")

    monkeypatch.setattr(execution, "best_level", none)
    with pytest.raises(SandboxError):
        run_program(toy_new, "print(1)", reviewed=False)
    assert run_program(toy_new, "print(1)", reviewed=True).level == "unsafe"
