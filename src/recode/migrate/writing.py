"""Changing the user's files: only with a clean git tree, one file at a time, each either old or new at any moment."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from recode.errors import RecodeError
from recode.migrate.git import run_git
from recode.migrate.patch import Rewritten


def git_top(folder: Path) -> Path | None:
    """Return the top of the git work tree around a folder; None where there is none."""
    answer = run_git(folder, "rev-parse", "--show-toplevel")
    return Path(os.fsdecode(answer.rstrip(b"\n"))) if answer else None


def refuse_dirty(root: Path) -> None:
    """Check that git could undo everything that is written below the root. A folder that is no repository passes.

    Raises:
        RecodeError: there are changes that were not committed.
    """
    folder = root if root.is_dir() else root.parent
    if git_top(folder) is None:
        return
    answer = run_git(folder, "status", "--porcelain", "-z", "--untracked-files=no", "--", ".")
    changed = [os.fsdecode(one[3:]) for one in (answer or b"").split(b"\0") if len(one) > 3]
    if changed:
        raise RecodeError(
            f"{root}: {len(changed)} files have uncommitted changes ({changed[0]}, …); commit or stash them first, or add --allow-dirty"
        )


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


def write_bytes(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file atomically; without a mode it gets the usual permissions.

    Raises:
        RecodeError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644 if mode is None else mode)
                os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RecodeError(f"{path}: cannot be written ({error.strerror})") from None
