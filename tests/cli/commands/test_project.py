"""`recode scan` and `recode migrate` on paths that cannot be read or written, and on file names with odd characters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recode.cli.app import main
from recode.migrate.project import writing
from recode.records import write_records
from tests.migrate.migration_corpus import update

OLD = "import toy\n\ntoy.old(1)\n"
ODD = "a\x1b[31mred\x07\n\u202e\u009b.py"
LONG = "x" * 300

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text(OLD)
    write_records(tmp_path / "updates.jsonl", [update("renamed", "toy.old", "toy.new")])
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as the shell does; return its exit code, output and errors."""

    def run(command: str, path: Path | str, *options: str) -> tuple[int, str, str]:
        known = ["--from", "1.0", "--to", "toy==2.0", "--updates", str(tmp_path / "updates.jsonl")]
        offline = ["--offline" if command == "migrate" else "--fast"]
        monkeypatch.setattr(sys, "argv", ["recode", command, str(path), *known, *offline, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def is_one_error_line(text: str) -> bool:
    return text.startswith("error: ") and text.count("\n") == 1 and "Traceback" not in text


@pytest.mark.parametrize("command", ["scan", "migrate"])
def test_a_path_that_cannot_be_read_is_one_line(run: Run, project: Path, command: str) -> None:
    (project / "loop").symlink_to(project / "loop")
    for path in (
        project / "missing",
        project / LONG,
        project / "loop",
        project / "loop" / "a.py",
        project / "a.py" / "b",
    ):
        code, out, errors = run(command, path)
        assert (code, out, is_one_error_line(errors)) == (2, "", True), (path, errors)


@pytest.mark.parametrize("command", ["scan", "migrate"])
def test_links_that_lead_to_themselves_do_not_stop_a_scan(run: Run, project: Path, command: str) -> None:
    (project / "loop.py").symlink_to(project / "loop.py")
    (project / "folder").symlink_to(project)
    code, out, errors = run(command, project)
    assert (code, "error:" in errors) == (1, False)
    assert "toy.old" in out


@pytest.mark.parametrize("option", ["--patch", "--html", "--sarif"])
def test_a_target_that_cannot_be_written_is_one_line(run: Run, project: Path, option: str, tmp_path: Path) -> None:
    command = "scan" if option == "--sarif" else "migrate"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for target in (tmp_path / LONG, tmp_path / "loop" / "x", project / "a.py" / "x", project):
        code, out, errors = run(command, project, option, str(target))
        assert (code, out, is_one_error_line(errors)) == (2, "", True), (target, errors)


@pytest.mark.parametrize("option", ["--patch", "--html", "--sarif"])
def test_a_read_only_folder_is_refused_before_anything_is_done(
    run: Run, project: Path, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests may run as root, to whom every folder is writable.
    monkeypatch.setattr(writing.os, "access", lambda path, mode, **_: not mode & os.W_OK)
    code, out, errors = run("scan" if option == "--sarif" else "migrate", project, option, str(tmp_path / "new"))
    assert (code, out, is_one_error_line(errors)) == (2, "", True), errors
    assert "is read-only" in errors


def test_a_read_only_project_is_not_half_written(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "b").mkdir()
    (project / "b" / "b.py").write_text(OLD)
    monkeypatch.setattr(writing.os, "access", lambda path, mode, **_: not mode & os.W_OK or Path(path).name != "b")
    code, _, errors = run("migrate", project, "--write")
    assert (code, is_one_error_line(errors)) == (2, True)
    assert (project / "a.py").read_text() == OLD


@pytest.mark.parametrize("command", ["scan", "migrate"])
def test_a_project_that_disappears_meanwhile_is_one_line(
    run: Run, project: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import recode.api
    import recode.migrate.pipeline
    from recode.migrate.find.scan import scan

    def scan_and_delete(root: Path, *given: object, **named: object) -> object:
        result = scan(root, *given, **named)  # type: ignore[arg-type]
        shutil.rmtree(root)
        return result

    monkeypatch.setattr(recode.api, "scan_folder", scan_and_delete)
    monkeypatch.setattr(recode.migrate.pipeline, "scan", scan_and_delete)
    code, out, errors = run(command, project)
    assert (code, out, is_one_error_line(errors)) == (2, "", True), errors


def test_a_working_folder_that_was_deleted_is_one_line(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    shutil.rmtree(project)
    code, out, errors = run("migrate", ".")
    assert (code, out, is_one_error_line(errors)) == (2, "", True), errors


def test_a_patch_of_nothing_is_not_written(run: Run, project: Path, tmp_path: Path) -> None:
    (project / "a.py").write_text("import toy\n")
    code, out, errors = run("migrate", project, "--patch", str(tmp_path / "p.patch"))
    assert (code, out) == (1, ""), "nothing was checked"
    assert "there is nothing to change, so " in errors
    assert not (tmp_path / "p.patch").exists()


def test_odd_file_names_are_escaped_wherever_they_are_shown(run: Run, project: Path, tmp_path: Path) -> None:
    names = [ODD, os.fsdecode(b"caf\xe9\x1b.py")]
    for name in names:
        (project / name).write_text(OLD)
        (project / f"broken{name}").write_text("toy.old(\n")
    patch, page, log = (tmp_path / name for name in ("p.patch", "p.html", "p.sarif"))
    outputs = [*run("migrate", project, "--patch", str(patch), "--html", str(page))[1:]]
    outputs += run("scan", project, "--sarif", str(log))[1:]
    outputs += [page.read_text(), run("migrate", project / f"{ODD}missing")[2]]
    for text in outputs:
        assert not {"\x1b", "\x07", "\u202e", "\u009b", "\udce9"} & set(text)
    assert all("\\x1b[31m" in text for text in outputs if ".py" in text and "diff --git" not in text)
    assert '"a/a\\033[31mred' in outputs[0]
    locations = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in json.loads(log.read_text())["runs"][0]["results"]
    ]
    assert sorted(locations) == ["a%1B%5B31mred%07%0A%E2%80%AE%C2%9B.py", "a.py", "caf%E9%1B.py"]
    subprocess.run(["git", "apply", str(patch)], cwd=project, check=True)
    assert [(project / name).read_text() for name in names] == [OLD.replace("old", "new")] * 2


def test_json_of_odd_file_names_is_json(run: Run, project: Path) -> None:
    (project / ODD).write_text(OLD)
    (project / os.fsdecode(b"caf\xe9.py")).write_text(OLD)
    rows = json.loads(run("scan", project, "--json")[1])
    places = json.loads(run("migrate", project, "--json")[1])["places"]
    assert [row["file"] for row in rows] == [row["file"] for row in places] == [ODD, "a.py", "caf\ufffd.py"]
