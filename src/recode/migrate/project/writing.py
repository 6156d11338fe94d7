"""Changing the user's files, and the patch that does the same: only what git could restore, each file atomically."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from recode.errors import RecodeError
from recode.migrate.project.git import git_top, run_git
from recode.migrate.source.patch import Rewritten, file_patch
from recode.records import write_bytes


def refuse_dirty(root: Path) -> None:
    """Check that a folder has no uncommitted changes to tracked files. A folder outside any repository passes.

    Raises:
        RecodeError: there are uncommitted changes, or git does not answer.
    """
    folder = root if root.is_dir() else root.parent
    if not _in_repository(folder):
        return
    answer = run_git(folder, "status", "--porcelain", "-z", "--untracked-files=no", "--", ".")
    if answer is None:
        raise RecodeError(
            f"{root}: git does not say what was committed (`git status` fails); repair the repository, or add --allow-dirty"
        )
    changed = [os.fsdecode(entry[3:]) for entry in answer.split(b"\0") if len(entry) > 3]
    if changed:
        raise RecodeError(
            f"{root}: {len(changed)} files have uncommitted changes ({changed[0]}, …); commit or stash them first, or add --allow-dirty"
        )


def refuse_unsaved(folder: Path, files: Sequence[Path]) -> None:
    """Check that git tracks each of some files, so that it could restore them. A folder outside any repository passes.

    Args:
        folder: what the paths are relative to.
        files: the files that are about to be written.

    Raises:
        RecodeError: git does not track one of them, or does not answer.
    """
    if not files or not _in_repository(folder):
        return
    answer = run_git(folder, "ls-files", "-z")
    if answer is None:
        raise RecodeError(f"{folder}: git does not say which files it has; repair the repository, or add --allow-dirty")
    tracked = {Path(os.fsdecode(name)) for name in answer.split(b"\0") if name}
    missing = [file for file in files if file not in tracked]
    if missing:
        more = f" (nor {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise RecodeError(
            f"{folder / missing[0]}: git does not have it{more} and could not restore it; commit it first, or add --allow-dirty"
        )


def _in_repository(folder: Path) -> bool:
    """Return whether a folder is in a git work tree.

    Raises:
        RecodeError: it seems to, but git does not answer: it is not installed, or does not trust the folder.
    """
    if git_top(folder) is not None:
        return True
    here = folder.resolve()
    if any((parent / ".git").exists() for parent in (here, *here.parents)):
        raise RecodeError(
            f"{folder}: there is a repository, but git does not answer; install or configure git, or add --allow-dirty"
        )
    return False


def write_all(root: Path, files: Sequence[Rewritten]) -> None:
    """Write files below the root, each atomically and with its own permissions.

    Raises:
        RecodeError: a file changed since it was read, or cannot be written; the files before it have been written.
    """
    for file in files:
        if file.old != file.new:
            write_one(root / file.path, file.old, file.new)


def write_one(path: Path, old: bytes, new: bytes) -> None:
    """Replace a file's bytes atomically.

    Raises:
        RecodeError: it no longer holds the old bytes, is a link, or cannot be written.
    """
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) or path.read_bytes() != old:
            raise RecodeError(f"{path}: changed since it was read; run again")
    except OSError as error:
        raise RecodeError(f"{path}: cannot be read ({error.strerror})") from None
    write_bytes(path, new, stat.S_IMODE(mode))


def patch_of(root: Path, files: Sequence[Rewritten]) -> bytes:
    """Return one patch with paths from the top of the repository around the root, or from the root if there is none.

    Raises:
        RecodeError: the root is not below the top that git names, because a link leads to it.
    """
    top = git_top(root)
    prefix = Path()
    if top is not None:
        try:
            prefix = root.resolve().relative_to(top.resolve())
        except ValueError:
            raise RecodeError(f"{root}: git says that its top is {top}; name the folder without links") from None
    return b"".join(file_patch(Rewritten(prefix / file.path, file.old, file.new)) for file in files)


def refuse_unwritable(path: Path) -> None:
    """Check that a file can be created or replaced, before the work that it is to hold is done.

    Folders that do not exist yet are created later. What exists and is no file, such as a pipe, is written to.

    Raises:
        RecodeError: its folder is read-only or no folder, its name is too long, or it is a folder itself.
    """
    try:
        if path.is_dir():
            raise RecodeError(f"{path}: cannot be written (it is a folder); give the name of a file")
        if path.exists() and not path.is_file():
            return
        target = Path(os.path.realpath(path))
        if len(os.fsencode(target.name)) > os.pathconf("/", "PC_NAME_MAX"):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        folder = next(parent for parent in target.parents if os.path.lexists(parent))
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, f"its folder {folder} is read-only")
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RecodeError(f"{path}: cannot be written ({reason}); choose another place") from None
