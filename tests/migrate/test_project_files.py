"""Which files of a project are looked at."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recode.errors import RecodeError
from recode.migrate.project import project_files


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
