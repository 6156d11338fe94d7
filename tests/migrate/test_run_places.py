"""Which commands are compared by their values."""

from __future__ import annotations

from pathlib import Path

from recode.migrate.prove.test_runs import TestCommand, TestRun
from recode.migrate.prove.trial import ProjectTrial
from recode.migrate.run_places import _as_program, differing_commands
from recode.sandbox.environments import Environment


def test_the_commands_of_differing_tests_are_compared(tmp_path: Path) -> None:
    here = Environment(tmp_path, tmp_path, "")
    script, tests = TestCommand(tmp_path, "python a.py"), TestCommand(tmp_path, "pytest -q")
    base = TestRun(0, {"python a.py": "passed", "test_a.py::test": "passed"}, outputs={"python a.py": ""})
    trial = ProjectTrial((script, tests), here, here, base)
    assert differing_commands(trial, {"python a.py"}) == [script]
    assert differing_commands(trial, {"test_a.py::test"}) == [tests]
    assert differing_commands(trial, {"python a.py", "test_a.py::test"}) == [script, tests]


def test_a_scripts_name_stands_for_running_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    assert [_as_program(TestCommand(tmp_path, text)) for text in ("a.py", "python a.py")] == ["python a.py"] * 2
