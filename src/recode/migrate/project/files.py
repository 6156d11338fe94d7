"""The files of a project that are read: Python files and notebooks, as git sees the folder.

Files that `.gitignore` names are not part of a project. git itself decides which those are, even in a folder that is not a
repository, such as a source distribution. Links, huge files and installed environments are skipped.
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
"""Names of folders that tools fill; they are neither scanned nor given to tests."""
_NEVER = TOOLS | {"site-packages", ".eggs", ".ipynb_checkpoints"}


def files_around(folder: Path) -> list[Path]:
    """Return the files of the whole project that a folder belongs to, with their full paths.

    The project is git's work tree, or the folder with the project's metadata. If there is neither, it is the outermost package
    around the folder and the files next to that package.
    """
    package = folder.resolve()
    while (package / "__init__.py").exists() and package != package.parent:
        package = package.parent
    marked = (folder for folder in (package, package.parent) if any((folder / name).exists() for name in _METADATA))
    top = git_top(folder) or next(marked, None)
    if top is not None:
        return [top / file for file in project_files(top)]
    here = folder.resolve()
    inside = next((parent for parent in (here, *here.parents) if parent.parent == package), None)
    beside = [file for file in package.iterdir() if file.suffix in SUFFIXES and file.is_file()]
    return [*beside, *([inside / file for file in project_files(inside)] if inside is not None else [])]


def check_root(root: Path) -> None:
    """Check that a file or folder exists and can be reached.

    Raises:
        RecodeError: it does not exist, its name is too long, a link in it leads to itself, or it may not be entered.
    """
    try:
        # Both raise where the working folder itself was deleted, or a link leads to itself.
        root.absolute()
        root.stat()
        if root.is_dir():
            with os.scandir(root):
                pass
    except FileNotFoundError:
        raise RecodeError(f"{root}: no such file or folder; check the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RecodeError(f"{root}: cannot be read ({reason}); check the path") from None


def project_files(root: Path) -> list[Path]:
    """Return the project's Python files and notebooks, relative to the root and sorted; of a file, the file itself.

    Files that git tracks are included even if `.gitignore` names them. Links are included as well and are refused when they are read.

    Raises:
        RecodeError: the path cannot be read.
    """
    check_root(root)
    if root.is_file():
        return [Path(root.name)]
    listed = _git_files(root)
    paths = _walked(root) if listed is None else (Path(name) for name in listed if Path(name).suffix in SUFFIXES)
    # Cached for this call only: a relative path may lead to another folder the next time.
    cached = functools.cache(is_environment)
    return sorted(
        path for path in paths if not _inside_environment(root, path, cached) and os.path.lexists(root / path)
    )


def _git_files(root: Path) -> list[str] | None:
    """Return what git lists below the root without ignored files; None if there is no git."""
    if shutil.which("git") is None:
        return None
    inside = run_git(root, "rev-parse", "--is-inside-work-tree")
    listing = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if inside is not None and inside.strip() == b"true":
        # A folder that the repository around it ignores as a whole, such as a build folder, would come out empty.
        ignored = run_git(root, "check-ignore", "-q", ".") is not None
        answer = None if ignored else run_git(root, *listing)
        if answer is not None:
            return _names(answer)
    with tempfile.TemporaryDirectory() as folder:
        if run_git(root, "init", "-q", "--bare", folder) is None:
            return None
        answer = run_git(root, f"--git-dir={folder}", "--work-tree=.", *listing)
    return _names(answer) if answer is not None else None


def _names(answer: bytes) -> list[str]:
    return sorted({os.fsdecode(name) for name in answer.split(b"\0") if name})


def _walked(root: Path) -> Iterator[Path]:
    """Yield the files below a folder without git, so that `.gitignore` is not honoured."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _NEVER and not is_environment(Path(folder) / name)]
        for name in files:
            if Path(name).suffix in SUFFIXES:
                yield (Path(folder) / name).relative_to(root)


def is_environment(folder: Path) -> bool:
    """Return whether a folder is an installed environment, or may not be entered."""
    try:
        return (folder / "pyvenv.cfg").exists()
    except OSError:
        return True


def _inside_environment(root: Path, path: Path, is_environment: Callable[[Path], bool]) -> bool:
    """Return whether a file is in an installed environment or a tool's folder, which users do not edit."""
    parents = path.parts[:-1]
    if not _NEVER.isdisjoint(parents):
        return True
    return any(is_environment(root.joinpath(*parents[:depth])) for depth in range(1, len(parents) + 1))
