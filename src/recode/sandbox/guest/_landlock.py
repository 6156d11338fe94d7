"""Landlock: restricts a process and its children in the file system, the network and signals, where namespaces are unavailable.

Standard library only. See https://docs.kernel.org/userspace-api/landlock.html for the structures and numbers.
"""

from __future__ import annotations

import ctypes
import os
import struct

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_ALL = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_LATER = (1 << 16) - 1
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_TCP, _SCOPES = 3, 3
NEEDED = 6
"""The first Landlock version that can refuse signals to, and abstract sockets of, processes outside."""


def version() -> int:
    """Return the kernel's Landlock version; 0 without Landlock."""
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE, None, 0, 1)))


def restrict(readable: list[str], writable: list[str]) -> None:
    """Allow this process to read below `readable` and to do anything below `writable`, but nothing else; requires no_new_privs.

    Raises:
        OSError: the kernel refused a rule or the ruleset.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handled = _ALL.get(version(), _ALL_LATER)
    attributes = struct.pack("=QQQ", handled, _TCP, _SCOPES)
    ruleset = libc.syscall(_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "Landlock made no ruleset")
    reading = _EXECUTE | _READ_FILE | _READ_DIR
    for paths, access in ((readable, reading), (writable, handled)):
        for path in paths:
            if not os.path.exists(path):
                continue
            allowed = access if os.path.isdir(path) else access & _FILE_ONLY
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", allowed & handled, handle)
            if libc.syscall(_ADD_RULE, ruleset, 1, rule, 0):
                raise OSError(ctypes.get_errno(), f"Landlock refused the rule for {path}")
            os.close(handle)
    if libc.syscall(_RESTRICT, ruleset, 0):
        raise OSError(ctypes.get_errno(), "Landlock refused the ruleset")
    os.close(ruleset)
