"""The bubblewrap command that starts a fork server's sandbox: what programs may read, and the one folder that they may write."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from recode.errors import SandboxError

if TYPE_CHECKING:
    from recode.sandbox.fork_servers import Interpreter

GUEST = Path(__file__).parent / "guest"
"""What runs inside the sandbox."""
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
"""The system folders that every program may read."""
_OTHER_HOME = "/program"


# Called for every program, and finding an interpreter's folders takes longer than many programs run.
@functools.lru_cache(maxsize=64)
def home_of(interpreter: Interpreter) -> str:
    """Return the only writable folder of an isolated sandbox. Each program mounts its own empty folder over it."""
    # The mount would hide an interpreter that lies below /tmp.
    below = any(folder.startswith("/tmp/") for folder in (*interpreter.folders(), str(GUEST)))
    return _OTHER_HOME if below else "/tmp"


def bubblewrap_command(interpreter: Interpreter, home: str) -> list[str]:
    """Return the command that starts a sandbox with read-only system and interpreter folders, no network and no other processes.

    Raises:
        SandboxError: bubblewrap is not installed.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxError("bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap)")
    command = [
        path,
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-ipc",
        "--unshare-cgroup-try",
        "--die-with-parent",
    ]
    if os.geteuid() == 0:
        # Run by root, bubblewrap mounts folders that only root can read. The server mounts a fresh /proc, then becomes nobody for good.
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SYS_ADMIN"):
            command += ["--cap-add", capability]
    else:
        command += ["--unshare-user"]
    folders = dict.fromkeys((*SYSTEM, *interpreter.folders(), str(GUEST)))
    parents = {str(parent) for folder in folders for parent in Path(folder).parents if str(parent) != "/"}
    for parent in sorted(parents - folders.keys()):
        # Left to bubblewrap, these folders would be accessible to its own user only.
        command += ["--perms", "0755", "--dir", parent]
    for folder in folders:
        command += ["--ro-bind-try", folder, folder]
    for secret in interpreter.secrets():
        command += ["--ro-bind", "/dev/null", secret]
    command += ["--dev", "/dev", "--proc", "/proc"]
    # Libraries may need a temporary folder while they are imported.
    command += ["--perms", "0755", "--dir", "/tmp", "--perms", "1777", "--tmpfs", home]
    command += ["--setenv", "HOME", home, "--setenv", "TMPDIR", home]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--"]


def without(folders: tuple[str, ...], secrets: tuple[str, ...]) -> list[str]:
    """Return paths that together cover the folders, except for the secret files."""
    found: list[str] = []
    for folder in folders:
        hidden = {secret for secret in secrets if Path(secret).is_relative_to(folder)}
        if not hidden:
            found.append(folder)
            continue
        for child in Path(folder).iterdir():
            inside = tuple(secret for secret in hidden if Path(secret).is_relative_to(child))
            if str(child) not in hidden:
                found += without((str(child),), inside) if inside else [str(child)]
    return found
