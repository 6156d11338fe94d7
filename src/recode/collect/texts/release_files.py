"""The texts in the files of a release: Python sources and release notes.

They are read from the downloaded archive without installing it, so a release without a wheel for this Python can be read too.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from recode.collect.texts.package_index import ReleaseFile

_SKIPPED = frozenset(
    {
        "tests",
        "test",
        "testing",
        "benchmarks",
        "asv_benchmarks",
        "examples",
        "docs",
        "doc",
        "vendor",
        "_vendor",
        "extern",
        "externals",
    }
)


def python_sources(file: ReleaseFile, data: bytes, package: str) -> list[tuple[str, str]]:
    """Return (path, text) of a package's own modules without its tests; paths begin with the package."""
    found = []
    for path, content in _members(file, data, ".py"):
        parts = path.split("/")
        if package in parts[:-1]:
            start = parts.index(package)
            # In `name/name/__init__.py`, a checkout named like its package, the inner folder is the package.
            while package in parts[start + 1 : -1] and file.kind == "sdist" and start == 0:
                start = parts.index(package, start + 1)
            if not _SKIPPED & set(parts[start + 1 : -1]) and not parts[-1].startswith("test_"):
                found.append(("/".join(parts[start:]), _decoded(content)))
        elif parts[-1] == f"{package}.py" and len(parts) <= 3:
            found.append((parts[-1], _decoded(content)))
    return found


def note_files(data: bytes) -> list[tuple[str, str]]:
    """Return (path, text) of the files of a source distribution that look like release notes, without the archive's top folder."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            path = member.name.partition("/")[2]
            if member.isfile() and is_notes(path) and (file := archive.extractfile(member)) is not None:
                found.append((path, _decoded(file.read())))
    return found


def is_notes(path: str) -> bool:
    """Say whether the name of a file, or of a folder around it, is usual for release notes."""
    pure = PurePosixPath(path.lower())
    if pure.suffix not in (".rst", ".md", ".txt", "", ".inc") or "tests" in pure.parts or "licenses" in pure.parts:
        return False
    words = (
        "change",
        "changelog",
        "news",
        "history",
        "release",
        "whatsnew",
        "whats_new",
        "whats-new",
        "migrat",
        "upgrad",
        "deprecat",
    )
    named = any(pure.stem.startswith(word) or pure.stem.endswith(word) for word in words)
    return named or any(part.startswith(words) or part.endswith(("whats_new", "changelog")) for part in pure.parts[:-1])


def all_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of the files of a source distribution, without the archive's top folder."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            path = member.name.partition("/")[2]
            if path and member.isfile() and ".." not in path.split("/") and (file := archive.extractfile(member)):
                yield path, file.read()


def _members(file: ReleaseFile, data: bytes, suffix: str) -> Iterator[tuple[str, bytes]]:
    if file.kind == "wheel":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                if name.endswith(suffix):
                    yield name, archive.read(name)
        return
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(suffix) and (inner := tar.extractfile(member)) is not None:
                yield member.name.partition("/")[2], inner.read()


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")
