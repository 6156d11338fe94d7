"""A command as root of something like a Harbor container: its folders, a pinned release, no network. Needs root and bubblewrap."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from recode.sandbox.environments import Environment

AVAILABLE = shutil.which("bwrap") is not None and os.geteuid() == 0
FOLDERS = ("app", "tests", "logs", "solution")


def in_container(release: Environment, root: Path, folder: str) -> list[str]:
    """Return the options up to the command that runs in `folder`; `root` holds the container's `FOLDERS`."""
    python = release.python.resolve().parents[1]
    return [
        "bwrap", "--die-with-parent", "--unshare-pid", "--unshare-net", "--proc", "/proc", "--dev", "/dev",
        "--perms", "1777", "--tmpfs", "/tmp",
        *_readable("/usr", "/lib", "/lib64", "/bin", "/etc", str(python), str(release.folder)),
        *(part for name in FOLDERS for part in ("--bind", str(root / name), f"/{name}")),
        "--chdir", folder, "--cap-add", "ALL", "--",
    ]  # fmt: skip


def _readable(*paths: str) -> list[str]:
    """Return the options that show folders to every user, also those below a folder that others cannot enter."""
    shown = [path for path in map(Path, paths) if path.exists()]
    above = sorted({parent for path in shown for parent in path.parents if parent != Path("/")})
    return [
        *(part for folder in above for part in ("--perms", "0755", "--dir", str(folder))),
        *(part for path in shown for part in ("--ro-bind", str(path), str(path))),
    ]
