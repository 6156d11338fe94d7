"""`recode sandbox run`, `recode env` and `recode doctor` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recode.cli import doctor
from recode.cli.app import app
from recode.cli.sandbox import prune
from recode.errors import RecordError, SandboxError
from recode.sandbox.levels import best_level

TASKS = [
    {
        "id": "right",
        "program": "def f(x):\n    return x + 1\n",
        "entry_point": "f",
        "calls": [{"args": [1], "expected": 2}],
    },
    {"id": "wrong", "program": "def f(x):\n    return x\n", "test": "assert f(1) == 2"},
]


def test_a_line_for_each_task_in_order(tmp_path: Path) -> None:
    try:
        level = best_level()
    except SandboxError as error:
        pytest.skip(str(error))
    file = tmp_path / "tasks.jsonl"
    file.write_text("".join(json.dumps(task) + "\n" for task in TASKS * 3))
    done = CliRunner().invoke(app, ["sandbox", "run", str(file), "--limit", "20"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["id"] for line in lines] == ["right", "wrong"] * 3
    assert [line["outcome"] for line in lines] == ["passed", "failed"] * 3
    assert {line["level"] for line in lines} == {level}
    assert set(lines[0]) == {"id", "outcome", "level", "seconds", "detail"}


def test_unsafe_only_when_asked_for_and_named(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(json.dumps(TASKS[0]))
    done = CliRunner().invoke(app, ["sandbox", "run", str(file), "--unsafe", "--limit", "20"])
    assert json.loads(done.stdout.splitlines()[0])["level"] == "unsafe"


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(json.dumps(TASKS[0]) + '\n{"id": 3, "program": "", "test": "x"}\n')
    done = CliRunner().invoke(app, ["sandbox", "run", str(file)])
    assert isinstance(done.exception, RecordError)
    assert "tasks.jsonl:2: field `id`" in str(done.exception)


def test_environments_are_listed(toy_index: Path, toy_new: object) -> None:
    done = CliRunner().invoke(app, ["env", "list"])
    assert done.exit_code == 0
    assert "toylib==2.0" in done.output


def test_the_doctor_says_what_holds() -> None:
    done = CliRunner().invoke(app, ["doctor"])
    assert "sandbox" in done.output
    assert done.exit_code in (0, 1)


def test_the_doctor_spells_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "train", ("no_such_module",))
    monkeypatch.setenv("COLUMNS", "300")
    assert not doctor.examine()
    shown = capsys.readouterr().out
    assert shown.count("pip install 'recode-rl[train]'") == 2
    assert "missing extras: " in shown
    assert shown.rstrip().splitlines()[-1].startswith("next: `recode scan")


def test_a_folder_without_locks_keeps_no_environment_and_deletes_none(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="holds no lock"):
        prune(tmp_path / "typo")
