"""Unified diffs for `git apply`, built from bytes, so that the encodings and line ends of the files are kept."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CONTEXT = 3
"""Unchanged lines around a change."""
_NO_END = b"\\ No newline at end of file\n"
_ESCAPES = {9: b"\\t", 10: b"\\n", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}


@dataclass(frozen=True)
class Rewritten:
    """A file before and after; the path is relative to where the patch is applied."""

    path: Path
    old: bytes
    new: bytes


def file_patch(file: Rewritten) -> bytes:
    """Return the patch of one file; empty where nothing changed."""
    if file.old == file.new:
        return b""
    before, after = _lines(file.old), _lines(file.new)
    name = PurePosixPath(file.path.as_posix())
    old, new = _quoted(b"a/" + os.fsencode(name)), _quoted(b"b/" + os.fsencode(name))
    # After a name with a space, a tab marks its end.
    tab = b"\t" if b" " in old and not old.startswith(b'"') else b""
    parts = [b"diff --git " + old + b" " + new + b"\n"]
    for line in difflib.diff_bytes(difflib.unified_diff, before, after, old + tab, new + tab, n=CONTEXT):
        # Header lines come without a line end.
        parts.append(line if line.endswith(b"\n") else line + b"\n" + _NO_END)
    return b"".join(parts)


def _lines(data: bytes) -> list[bytes]:
    r"""Split at `\n` alone, as git does."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]] + ([last] if (last := data.rpartition(b"\n")[2]) else [])


def _quoted(name: bytes) -> bytes:
    """Return a path as git writes it: quoted and escaped where its characters need that."""
    if all(32 <= byte < 127 and byte not in (34, 92) for byte in name):
        return name
    return b'"' + b"".join(
        _ESCAPES.get(byte, bytes([byte]) if 32 <= byte < 127 else b"\\%03o" % byte) for byte in name
    ) + b'"'  # fmt: skip
