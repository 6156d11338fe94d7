"""The files of a project that are looked at: Python and notebooks, as git sees the folder.

What `.gitignore` names is no part of a project, and git itself says what that is, also in a folder that is no repository (a
source distribution). Links, huge files and installed environments are left alone.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from recode.errors import RecodeError
from recode.migrate.project.git import git_top, run_git

SUFFIXES = frozenset({".py", ".pyw", ".pyi", ".ipynb"})
_METADATA = ("pyproject.toml", "setup.py", "setup.cfg")
TOOLS = frozenset(
    {".git", ".hg", ".svn", "__pycache__", "node_modules", ".tox", ".nox", ".venv", ".mypy_cache", ".pytest_cache"}
)
"""Names of folders that tools fill, which are neither looked at nor given to tests."""
_NEVER = TOOLS | {"site-packages", ".eggs", ".ipynb_checkpoints"}


def files_around(folder: Path) -> list[Path]:
    """Return the files of the whole project that a folder belongs to, with their full paths.

    That is git's work tree, or the folder with the project's metadata. Without either nobody knows how far the project goes: then it
    is the outermost package around the folder, and the files beside it.
    """
    package = folder.resolve()
    while (package / "__init__.py").exists() and package != package.parent:
        package = package.parent
    marked = (one for one in (package, package.parent) if any((one / name).exists() for name in _METADATA))
    top = git_top(folder) or next(marked, None)
    if top is not None:
        return [top / one for one in project_files(top)]
    inside = next((one for one in (folder.resolve(), *folder.resolve().parents) if one.parent == package), None)
    beside = [one for one in package.iterdir() if one.suffix in SUFFIXES and one.is_file()]
    return [*beside, *([inside / one for one in project_files(inside)] if inside is not None else [])]


def project_files(root: Path) -> list[Path]:
    """Return the project's Python files and notebooks, relative to the root, in order; a file stands for itself.

    Files that git tracks count even where a later `.gitignore` names them. Links come too, for whoever reads them to refuse.

    Raises:
        RecodeError: the path does not exist.
    """
    if not root.exists():
        raise RecodeError(f"{root}: no such file or folder; check the path")
    if root.is_file():
        return [Path(root.name)]
    listed = _git_files(root)
    paths = [Path(one) for one in listed if Path(one).suffix in SUFFIXES] if listed is not None else []
    if listed is None:
        paths = list(_walked(root))
    # Kept for this call alone: what a relative path leads to may be another folder the next time.
    asked = functools.cache(is_environment)
    return sorted(path for path in paths if not _inside_environment(root, path, asked) and os.path.lexists(root / path))


def _git_files(root: Path) -> list[str] | None:
    """Return what git lists below the root, ignored files left out; None where there is no git."""
    if shutil.which("git") is None:
        return None
    inside = run_git(root, "rev-parse", "--is-inside-work-tree")
    asked = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if inside is not None and inside.strip() == b"true":
        # A folder that the repository around it ignores as a whole (below a build folder, say) would come out empty.
        ignored = run_git(root, "check-ignore", "-q", ".") is not None
        answer = None if ignored else run_git(root, *asked)
        if answer is not None:
            return _names(answer)
    with tempfile.TemporaryDirectory() as folder:
        if run_git(root, "init", "-q", "--bare", folder) is None:
            return None
        answer = run_git(root, f"--git-dir={folder}", "--work-tree=.", *asked)
    return _names(answer) if answer is not None else None


def _names(answer: bytes) -> list[str]:
    return sorted({os.fsdecode(name) for name in answer.split(b"\0") if name})


def _walked(root: Path) -> Iterator[Path]:
    """Yield the files below a folder without asking git: `.gitignore` is not read."""
    for folder, folders, files in os.walk(root):
        folders[:] = [one for one in folders if one not in _NEVER and not is_environment(Path(folder) / one)]
        for name in files:
            if Path(name).suffix in SUFFIXES:
                yield (Path(folder) / name).relative_to(root)


def is_environment(folder: Path) -> bool:
    """Say whether a folder is an installed environment, or one that may not be entered, in which there is nothing to look at."""
    try:
        return (folder / "pyvenv.cfg").exists()
    except OSError:
        return True


def _inside_environment(root: Path, path: Path, asked: Callable[[Path], bool]) -> bool:
    """Say whether a file lies in an installed environment or a folder of tools, which nobody edits."""
    parents = path.parts[:-1]
    if not _NEVER.isdisjoint(parents):
        return True
    return any(asked(root.joinpath(*parents[:depth])) for depth in range(1, len(parents) + 1))
