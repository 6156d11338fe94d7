"""Patches: git applies them to files of any bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recode.migrate.project.writing import patch_of
from recode.migrate.source.patch import Rewritten, file_patch

FILES = {
    "plain.py": (b"a\nb\nc\n", b"a\nB\nc\n"),
    "crlf.py": (b"x=1\r\ny=2\r\n", b"x=2\r\ny=2\r\n"),
    "mixed.py": (b"x=1\r\ny=2\nz=3\r", b"x=1\r\ny=3\nz=3\r"),
    "no end.py": (b"x=1", b"x=2"),
    "end goes.py": (b"x=1\n", b"x=2"),
    "end comes.py": (b"x=1", b"x=2\n"),
    "bytes.py": (b"# caf\xe9\nx=1\x0c\x00\n", b"# caf\xe9\nx=2\x0c\x00\n"),
    "t\xe4g.py": (b"x=1\n", b"x=2\n"),
    'quote".py': (b"x=1\n", b"x=2\n"),
    "far.py": (b"".join(b"%d\n" % n for n in range(99)), b"".join(b"%d\n" % (n + (n in (3, 60))) for n in range(99))),
}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "core.autocrlf=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FILES)
def test_git_applies_it(tmp_path: Path, name: str) -> None:
    before, after = FILES[name]
    (tmp_path / name).write_bytes(before)
    git(tmp_path, "init", "-q")
    (tmp_path / "p.patch").write_bytes(file_patch(Rewritten(Path(name), before, after)))
    git(tmp_path, "apply", "p.patch")
    assert (tmp_path / name).read_bytes() == after
    git(tmp_path, "apply", "-R", "p.patch")
    assert (tmp_path / name).read_bytes() == before


def test_no_change_is_no_patch() -> None:
    assert file_patch(Rewritten(Path("a.py"), b"x\n", b"x\n")) == b""


def test_paths_are_those_of_the_repository(tmp_path: Path) -> None:
    folder = tmp_path / "below" / "project"
    folder.mkdir(parents=True)
    (folder / "a.py").write_bytes(b"x\n")
    git(tmp_path, "init", "-q")
    patch = patch_of(folder, [Rewritten(Path("a.py"), b"x\n", b"y\n")])
    assert patch.startswith(b"diff --git a/below/project/a.py b/below/project/a.py\n")
    (tmp_path / "p.patch").write_bytes(patch)
    git(tmp_path, "apply", "p.patch")
    assert (folder / "a.py").read_bytes() == b"y\n"
