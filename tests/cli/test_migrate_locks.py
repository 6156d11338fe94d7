"""`recode migrate --from-lock OLD --to-lock NEW`, and the GitHub Action around it, with the toy library's real releases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from recode.cli.app import app
from recode.migrate.report.comment import comment
from recode.records import ApiUpdate, write_records
from recode.sandbox.levels import try_level

ROOT = Path(__file__).parents[2]
needs_isolation = pytest.mark.skipif(not try_level("isolated").holds, reason="this machine gives no namespaces")
CALC = "import toylib\n\n\ndef size(values):\n    return toylib.area(values)\n"
CHECK = "import calc\n\nprint(calc.size([1, 2]))\n"
OTHER = "import toylib\n\nprint(toylib.keep([1]))\n"
LOCK = '[[package]]\nname = "toylib"\nversion = "{}"\n\n[[package]]\nname = "elsewhere"\nversion = "{}"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "calc.py").write_text(CALC)
    (folder / "check.py").write_text(CHECK)
    (folder / "uv.lock").write_text(LOCK.format("1.0", "1.0"))
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    renamed = ApiUpdate(
        family_id="area", library="toylib", old_version="1.0", new_version="2.0", removed_in="2.0", kind="renamed",
        old_symbol="toylib.area", new_symbol="toylib.surface", description="A change.",
        update_info="`toylib.area` is now `toylib.surface`.",
    )  # fmt: skip
    write_records(tmp_path / "updates.jsonl", [renamed])
    (tmp_path / "old.lock").write_text(LOCK.format("1.0", "1.0"))
    (folder / "uv.lock").write_text(LOCK.format("2.0", "1.1"))
    return folder


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def run(project: Path, *options: str) -> tuple[int, str]:
    locks = ["--from-lock", str(project.parent / "old.lock"), "--to-lock", str(project / "uv.lock")]
    updates = ["--updates", str(project.parent / "updates.jsonl")]
    done = CliRunner().invoke(app, ["migrate", str(project), *locks, *updates, *options], catch_exceptions=False)
    return done.exit_code, done.stdout


@needs_isolation
def test_what_a_bot_moved_is_migrated_and_proven(toy_index: Path, project: Path, tmp_path: Path) -> None:
    patch, said = tmp_path / "p.patch", tmp_path / "comment.md"
    code, text = run(project, "--json", "--patch", str(patch), "--comment", str(said))
    (report,) = json.loads(text)
    assert (code, report["library"], report["verdict"]["verdict"]) == (0, "toylib", "works as before")
    git(project, "apply", str(patch))
    assert (project / "calc.py").read_text() == CALC.replace("area", "surface")
    words = said.read_text()
    assert "toylib 1.0 → 2.0" in words
    assert "**works as before: `python check.py`" in words
    assert "+    return toylib.surface(values)" in words


@needs_isolation
def test_the_bot_is_silent_where_nothing_is_concerned(toy_index: Path, project: Path, tmp_path: Path) -> None:
    (project / "calc.py").unlink()
    (project / "check.py").write_text(OTHER)
    patch, said = tmp_path / "p.patch", tmp_path / "comment.md"
    assert run(project, "--patch", str(patch), "--comment", str(said))[0] == 0
    assert not patch.exists()
    assert not said.exists()
    # Nor where the project does not import what moved.
    (project / "check.py").write_text("print(1)\n")
    code, text = run(project, "--json", "--comment", str(said))
    assert (code, json.loads(text), said.exists()) == (0, [], False)


@pytest.mark.parametrize("options", [["--to", "toylib==2.0"], ["--interactive"], ["--html", "x.html"]])
def test_options_that_lock_files_leave_without_meaning_are_refused(project: Path, options: list[str]) -> None:
    locks = ["--from-lock", "a", "--to-lock", "b"]
    done = CliRunner().invoke(app, ["migrate", str(project), *locks, *options, "--write"])
    assert done.exit_code == 2


@needs_isolation
def test_the_action_posts_the_patch_with_its_proof(toy_index: Path, project: Path, tmp_path: Path) -> None:
    step = yaml.safe_load((ROOT / "actions/migrate/action.yml").read_text())["runs"]["steps"][-1]
    programs = tmp_path / "bin"
    programs.mkdir()
    write_program(programs / "gh", f'echo "$@" > {tmp_path}/asked; cp "$5" {tmp_path}/posted')
    updates = tmp_path / "updates.jsonl"
    write_program(programs / "recode", f'"{sys.executable}" -m recode "$@" --updates "{updates}"')
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, check=True, capture_output=True, text=True).stdout
    settings = {
        "RECODE": str(programs / "recode"), "LOCKS": "poetry.lock uv.lock", "BASE": head.strip(), "FOLDER": str(project), "TESTS": "",
        "PULL_REQUEST": "7", "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output"),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }  # fmt: skip
    subprocess.run(["bash", "-e", "-c", step["run"]], check=True, env=os.environ | settings, cwd=project)
    assert (tmp_path / "asked").read_text().startswith("pr comment 7 --body-file")
    assert "works as before" in (tmp_path / "posted").read_text()
    assert (tmp_path / "output").read_text().startswith("patch=")
    # A pull request that changes no lock file is none of its business.
    (tmp_path / "asked").unlink()
    git(project, "checkout", "uv.lock")
    subprocess.run(["bash", "-e", "-c", step["run"]], check=True, env=os.environ | settings, cwd=project)
    assert not (tmp_path / "asked").exists()


def write_program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_comment_of_nothing_has_no_table() -> None:
    assert comment([], b"") == "### `recode migrate`: \n\n"
