"""Writing: only over what was read, only with a clean tree, and each file whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recode.errors import RecodeError
from recode.migrate.project import writing
from recode.migrate.project.writing import refuse_dirty, refuse_unsaved, write_all, write_one
from recode.migrate.source.patch import Rewritten
from recode.records import write_bytes


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_dirty_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    refuse_dirty(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py")
    with pytest.raises(RecodeError, match=r"a\.py.*--allow-dirty"):
        refuse_dirty(tmp_path)
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "untracked.txt").write_text("notes\n")
    refuse_dirty(tmp_path)
    (tmp_path / "a.py").write_text("x = 2\n")
    with pytest.raises(RecodeError, match="uncommitted"):
        refuse_dirty(tmp_path / "a.py")


def test_a_file_that_git_does_not_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    refuse_unsaved(tmp_path, [Path("a.py")])
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "new.py").write_text("x = 1\n")
    refuse_unsaved(tmp_path, [Path("a.py")])
    with pytest.raises(RecodeError, match=r"new\.py: git does not have it.*--allow-dirty"):
        refuse_unsaved(tmp_path, [Path("a.py"), Path("new.py")])


def test_where_git_does_not_answer_nothing_counts_as_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    answers = {"rev-parse": b".\n"}
    monkeypatch.setattr(writing, "run_git", lambda folder, *arguments: answers.get(arguments[0]))
    for check in (lambda: refuse_dirty(tmp_path), lambda: refuse_unsaved(tmp_path, [Path("a.py")])):
        with pytest.raises(RecodeError, match="git does not say"):
            check()
    monkeypatch.setattr(writing, "git_top", lambda folder: None)
    with pytest.raises(RecodeError, match="git does not answer"):
        refuse_dirty(tmp_path)


def test_permissions_stay_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "tool.py"
    path.write_bytes(b"old\r\n")
    path.chmod(0o755)
    write_all(tmp_path, [Rewritten(Path("tool.py"), b"old\r\n", b"new\r\n"), Rewritten(Path("b.py"), b"", b"")])
    assert path.read_bytes() == b"new\r\n"
    assert path.stat().st_mode & 0o777 == 0o755
    assert [one.name for one in tmp_path.iterdir()] == ["tool.py"]


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"mine\n")
    with pytest.raises(RecodeError, match="changed since it was read"):
        write_one(path, b"old\n", b"new\n")
    assert path.read_bytes() == b"mine\n"
    link = tmp_path / "link.py"
    link.symlink_to(path)
    with pytest.raises(RecodeError, match="changed since it was read"):
        write_one(link, b"mine\n", b"new\n")


def test_killed_at_any_moment_a_file_is_old_or_new(tmp_path: Path) -> None:
    """Writers are killed at many moments; the file never holds anything in between."""
    path = tmp_path / "a.py"
    contents = [bytes([65 + n]) * (1 << 20) for n in range(2)]
    path.write_bytes(contents[0])
    code = (
        "import sys; from pathlib import Path; from recode.records import write_bytes\n"
        "a, b = (bytes([65 + n]) * (1 << 20) for n in range(2))\n"
        "print('ready', flush=True)\n"
        "while True:\n    write_bytes(Path(sys.argv[1]), b); write_bytes(Path(sys.argv[1]), a)\n"
    )
    for delay in range(5):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        os.sched_yield()
        for _ in range(delay * 20):
            assert path.read_bytes() in contents
        process.kill()
        process.wait()
        assert path.read_bytes() in contents


def test_a_new_file_gets_the_permissions_that_the_user_asks_for(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        write_bytes(tmp_path / "p.patch", b"new\n")
    finally:
        os.umask(mask)
    assert (tmp_path / "p.patch").stat().st_mode & 0o777 == 0o600
