"""Errors end every command with one line: output that cannot be written, paths the system refuses, missing extras."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from typer.testing import CliRunner

from recode import __version__
from recode.cli import app as cli
from recode.cli.extras import EXTRAS, extra_of
from recode.display import printable
from recode.prompts import response
from recode.shipped import shipped_root

ROOT = Path(__file__).parents[2]

COMMANDS = {
    "help": ["--help"],
    "scan": ["scan", "tides.py", "--to", "numpy==2.4.6", "--fast"],
    "scan-json": ["scan", "tides.py", "--to", "numpy==2.4.6", "--fast", "--json"],
    "migrate": ["migrate", "tides.py", "--to", "numpy==2.4.6", "--from", "1.26.4", "--offline"],
    "migrate-json": ["migrate", "tides.py", "--to", "numpy==2.4.6", "--from", "1.26.4", "--offline", "--json"],
    "reward": ["reward", "completions.jsonl"],
    "evaluate": ["evaluate", "--on", "test_generated", "--completions", "answers.jsonl", "--out", "evaluation"],
    "train-dry-run": ["train", "quickstart/sft", "--dry-run"],
    "study-list": ["study", "--list"],
    "data-generate": ["data", "generate", "--out", "made"],
    "data-export": ["data", "export", "--format", "recode", "--out", "exported"],
    "sandbox-run": ["sandbox", "run", "tasks.jsonl", "--unsafe", "--limit", "20"],
    "env-list": ["env", "list"],
    "env-prune": ["env", "prune"],
    "doctor": ["doctor"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small input for each command."""
    (tmp_path / "tides.py").write_bytes((ROOT / "examples" / "tides" / "tides.py").read_bytes())
    (tmp_path / "completions.jsonl").write_text(json.dumps({"completion": response("t", "x = 1"), "target": "x = 1"}))
    split = (ROOT / "data" / "test_generated.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [{"id": json.loads(line)["id"], "completion": response("t", "x = 1")} for line in split]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    task = {
        "id": "a",
        "program": "def f(x):\n    return x\n",
        "entry_point": "f",
        "calls": [{"args": [1], "expected": 1}],
    }
    (tmp_path / "tasks.jsonl").write_text(json.dumps(task))
    return tmp_path


def recode(
    folder: Path, arguments: Sequence[str], stdout: IO[Any] | int = subprocess.PIPE, **options: Any
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "RECODE_HOME": str(folder / "home"), "COLUMNS": "300"}
    command = [sys.executable, "-m", "recode", *arguments]
    return subprocess.run(
        command, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment, check=False, **options
    )


def check_one_line(done: subprocess.CompletedProcess[str], message: str) -> None:
    """The exit code is 2, and standard error ends in one line that is an error; remarks may come before it."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert [line for line in lines if line.startswith("error: ")] == [lines[-1]], done.stderr
    assert message in lines[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_behind_standard_output(command: str, folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        check_one_line(recode(folder, COMMANDS[command], full), "standard output: No space left on device")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_that_nobody_reads(command: str, folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        check_one_line(recode(folder, COMMANDS[command], writer), "standard output was closed")
    finally:
        os.close(writer)


@pytest.mark.parametrize("command", ["help", "scan", "data-generate"])
def test_standard_output_that_is_closed(command: str, folder: Path) -> None:
    done = recode(folder, COMMANDS[command], preexec_fn=lambda: os.close(1))
    check_one_line(done, "standard output is closed")
    assert not (folder / "made").exists()


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (COMMANDS["data-generate"], ["made/test_generated.jsonl", "made/no_op_generated.jsonl"]),
        (COMMANDS["data-export"], ["exported/train.jsonl"]),
        (COMMANDS["evaluate"], ["evaluation/results.json", "evaluation/samples.jsonl"]),
        ([*COMMANDS["scan"], "--sarif", "scan.sarif"], ["scan.sarif"]),
        ([*COMMANDS["migrate"], "--patch", "m.patch", "--html", "m.html"], ["m.patch", "m.html"]),
    ],
    ids=lambda value: value[0],
)
def test_what_was_finished_is_kept(arguments: list[str], files: list[str], folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        check_one_line(recode(folder, arguments, full), "No space left on device")
    assert all((folder / file).stat().st_size > 0 for file in files)


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (COMMANDS["data-generate"], "test_generated.jsonl"),
        (COMMANDS["data-export"], "train.jsonl"),
        (
            ["migrate", "tides.py", "--to", "numpy==2.4.6", "--from", "1.26.4", "--offline", "--html", "report.html"],
            "report.html",
        ),
    ],
    ids=["data-generate", "data-export", "migrate"],
)
def test_a_disk_that_is_full_while_a_file_is_written(
    arguments: list[str], file: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A limit on the size of files fails in the same place as a full disk. Coverage could not write its own files either.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    done = recode(folder, arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)))
    check_one_line(done, file)
    assert "File too large" in done.stderr
    assert not list(folder.rglob(f".{file}*"))


LONG = "n" * 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scan", LONG, "--to", "numpy==2.4.6", "--fast"], "File name too long"),
        (["migrate", LONG, "--to", "numpy==2.4.6", "--from", "1.26.4", "--offline"], "File name too long"),
        (["reward", LONG], "File name too long"),
        (["verify", LONG], "File name too long"),
        (["sandbox", "run", LONG], "File name too long"),
        (["train", LONG], "File name too long"),
        (["data", "generate", "--out", LONG], "File name too long"),
        (["evaluate", "--completions", LONG], "File name too long"),
        (["scan", "loop", "--to", "numpy==2.4.6", "--fast"], "loop"),
        (["migrate", "loop", "--to", "numpy==2.4.6", "--from", "1.26.4", "--offline"], "loop"),
        (["reward", "loop"], "loop"),
        (["data", "generate", "--out", "loop"], "loop"),
        (["data", "generate", "--out", "/proc/made"], "/proc/made"),
        (["data", "export", "--format", "recode", "--out", "/proc/made"], "/proc/made"),
        (["scan", "tides.py", "--to", "numpy==2.4.6", "--fast", "--sarif", "/proc/scan.sarif"], "/proc/scan.sarif"),
        (["train", "quickstart/sft", "--out", "/proc/made"], "/proc/made"),
        (["evaluate", "--completions", "answers.jsonl", "--on", "test_generated", "--out", "/proc/made"], "/proc/made"),
        (["reward", "red\x1b[31m\nname"], "red\\x1b[31m\\nname: cannot be read"),
        (["verify", "@nothing"], "@nothing: no split has this name"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else None,
)
def test_paths_that_the_system_refuses(arguments: list[str], message: str, folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    check_one_line(recode(folder, arguments), message)


def test_a_nul_in_an_argument(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["recode", "reward", "a\0b"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: an argument holds a NUL character; remove it\n"


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(ValueError, match="a bug"):
        cli.main()


BASE_ONLY = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv = ["recode", *sys.argv[1:]]
from recode.cli.app import main
main()
"""


def without_extras(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    absent = {module for modules in EXTRAS.values() for module in modules}
    command = [sys.executable, "-c", BASE_ONLY.format(absent=absent), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["quickstart", "--out", "q"], "train"),
        (["train", "quickstart/sft", "--out", "t"], "train"),
        (["pretrain", "pretrain-able", "--out", "p"], "train"),
        (["evaluate", "recode-tiny", "--on", "test_generated", "--out", "e"], "train"),
        (["data", "export", "--format", "hf", "--out", "x"], "train"),
        (["study", "reward-terms", "--jobs", "1"], "train"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_a_missing_extra_is_named(arguments: list[str], extra: str, folder: Path) -> None:
    check_one_line(without_extras(folder, arguments), f"pip install 'recode-rl[{extra}]'")


def test_a_report_on_evaluations_needs_no_extra(folder: Path) -> None:
    assert recode(folder, COMMANDS["evaluate"]).returncode == 0
    shutil.copytree(folder / "evaluation", folder / "again")
    assert without_extras(folder, ["report", "a=evaluation", "a=again", "--out", "report"]).returncode == 0


def test_modules_belong_to_extras() -> None:
    assert extra_of("torch.nn") == "train"
    assert extra_of("matplotlib") == "report"
    assert extra_of("nothing") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode → ok", "plain ünïcode → ok"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("two\nlines", "two\\nlines"),
        ("right\u202eto left", "right\\u202eto left"),
        (os.fsdecode(b"\xff"), "\\xff"),
    ],
)
def test_text_is_made_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_the_tests_use_the_checkout() -> None:
    assert shipped_root() == ROOT


def test_without_a_command_it_shows_where_to_start() -> None:
    done = CliRunner().invoke(cli.app, [])
    assert done.exit_code == 0
    for command in ("recode scan", "recode migrate", "recode quickstart", "recode doctor"):
        assert command in done.output


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"recode {__version__}\n")


def test_every_command_stands_in_a_named_group_of_the_help() -> None:
    titles = {title for title, _ in cli._PANELS}
    commands = [*cli.app.registered_groups, *cli.app.registered_commands]
    held = [
        entry
        for group in commands
        for entry in (*group.typer_instance.registered_commands, *group.typer_instance.registered_groups)
    ]
    assert len(held) >= 16
    assert {entry.rich_help_panel for entry in held} == titles
