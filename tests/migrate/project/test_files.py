"""Which files of a project are looked at."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from recode.errors import RecodeError
from recode.migrate.project.files import project_files
from recode.migrate.prove.test_runs import copy_project


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")


@pytest.mark.parametrize("is_repository", [True, False])
def test_gitignore_counts_in_a_repository_and_outside(tmp_path: Path, is_repository: bool) -> None:
    write(tmp_path, "a.py", "b.ipynb", "c.txt", "build/d.py", "src/e.py", "src/generated.py", "src/kept/generated.py")
    (tmp_path / ".gitignore").write_text("build/\ngenerated.py\n!src/kept/generated.py\n")
    if is_repository:
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    found = [path.as_posix() for path in project_files(tmp_path)]
    assert found == ["a.py", "b.ipynb", "src/e.py", "src/kept/generated.py"]


def test_installed_environments_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "env/pyvenv.cfg", "env/lib/x.py", "node_modules/y.py", ".tox/z.py", "__pycache__/w.py")
    assert project_files(tmp_path) == [Path("a.py")]


def test_a_file_stands_for_itself_and_a_missing_path_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    assert project_files(tmp_path / "a.py") == [Path("a.py")]
    with pytest.raises(RecodeError, match="no such file"):
        project_files(tmp_path / "b.py")


def test_deleted_files_that_git_still_tracks_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b.py")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    (tmp_path / "b.py").unlink()
    assert project_files(tmp_path) == [Path("a.py")]


def test_what_is_an_environment_is_asked_anew_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "one/env/pyvenv.cfg", "one/env/x.py", "two/env/x.py")
    monkeypatch.chdir(tmp_path / "one")
    assert project_files(Path()) == []
    monkeypatch.chdir(tmp_path / "two")
    assert project_files(Path()) == [Path("env/x.py")]


@pytest.mark.parametrize("with_git", [True, False])
def test_a_folder_that_may_not_be_entered_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_git: bool
) -> None:
    write(tmp_path, "root/a.py", "root/closed/b.py")
    asked = Path.exists

    def exists(path: Path) -> bool:
        # What the system says to users other than root.
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return asked(path)

    monkeypatch.setattr(Path, "exists", exists)
    if not with_git:
        monkeypatch.setattr(shutil, "which", lambda name: None)
    assert project_files(tmp_path / "root") == [Path("a.py")]
    copy_project(tmp_path / "root", tmp_path / "copy")
    assert [one.name for one in (tmp_path / "copy").iterdir()] == ["a.py"]


def test_tests_get_every_file_that_is_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(
        root, "a.py", "venv/__init__.py", "env/pyvenv.cfg", "env/x.py", ".mypy_cache/y.py", "build/z.py", ".venv/w.py"
    )
    files = project_files(root)
    assert files == [Path("a.py"), Path("build/z.py"), Path("venv/__init__.py")]
    copy_project(root, tmp_path / "copy")
    assert sorted(one.relative_to(tmp_path / "copy") for one in (tmp_path / "copy").rglob("*.py")) == files


def test_a_project_that_cannot_be_copied_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "root/a.py")

    def denied(source: str, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(source))

    monkeypatch.setattr(shutil, "copystat", denied)
    with pytest.raises(RecodeError, match="cannot be copied for the tests"):
        copy_project(tmp_path / "root", tmp_path / "copy")
    monkeypatch.setattr("os.scandir", denied)
    with pytest.raises(RecodeError, match="cannot be copied for the tests"):
        copy_project(tmp_path / "root", tmp_path / "another")
