"""Changing the user's files: only what git could bring back, one file at a time, each either old or new at any moment."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from recode.errors import RecodeError
from recode.migrate.project.git import git_top, run_git
from recode.migrate.source.patch import Rewritten
from recode.records import write_bytes


def refuse_dirty(root: Path) -> None:
    """Check that what git has of the folder was committed. A folder that is no repository passes.

    Raises:
        RecodeError: there are changes that were not committed, or git does not say.
    """
    folder = root if root.is_dir() else root.parent
    if not _in_repository(folder):
        return
    answer = run_git(folder, "status", "--porcelain", "-z", "--untracked-files=no", "--", ".")
    if answer is None:
        raise RecodeError(
            f"{root}: git does not say what was committed (`git status` fails); mend it, or add --allow-dirty"
        )
    changed = [os.fsdecode(one[3:]) for one in answer.split(b"\0") if len(one) > 3]
    if changed:
        raise RecodeError(
            f"{root}: {len(changed)} files have uncommitted changes ({changed[0]}, …); commit or stash them first, or add --allow-dirty"
        )


def refuse_unsaved(folder: Path, files: Sequence[Path]) -> None:
    """Check that git could bring back each of some files, given below a folder. A folder that is no repository passes.

    Raises:
        RecodeError: git does not have one of them, or does not say.
    """
    if not files or not _in_repository(folder):
        return
    answer = run_git(folder, "ls-files", "-z")
    if answer is None:
        raise RecodeError(f"{folder}: git does not say which files it has; mend it, or add --allow-dirty")
    kept = {Path(os.fsdecode(one)) for one in answer.split(b"\0") if one}
    missing = [one for one in files if one not in kept]
    if missing:
        more = f" (nor {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise RecodeError(
            f"{folder / missing[0]}: git does not have it{more} and could not bring it back; commit it first, or add --allow-dirty"
        )


def _in_repository(folder: Path) -> bool:
    """Say whether a folder lies in a git work tree.

    Raises:
        RecodeError: it seems so, and git does not answer (it is not installed, or does not trust the folder).
    """
    if git_top(folder) is not None:
        return True
    here = folder.resolve()
    if any((one / ".git").exists() for one in (here, *here.parents)):
        raise RecodeError(f"{folder}: there is a repository, but git does not answer; mend it, or add --allow-dirty")
    return False


def write_all(root: Path, files: Sequence[Rewritten]) -> None:
    """Write files below the root, each atomically and with its own permissions.

    Raises:
        RecodeError: a file was changed since it was read, or cannot be written; the files before it are written.
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
            raise RecodeError(f"{path}: changed while it was looked at; run again")
    except OSError as error:
        raise RecodeError(f"{path}: cannot be read ({error.strerror})") from None
    write_bytes(path, new, stat.S_IMODE(mode))
