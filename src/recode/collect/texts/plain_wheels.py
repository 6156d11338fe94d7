"""Wheels made from source distributions of pure Python, for releases that have no wheel. No code of the package runs.

The packages of the archive are copied as they are, with the metadata that it contains. What has to be compiled is refused.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from recode.collect.texts.package_index import fetch, release_of
from recode.collect.texts.release_files import all_members
from recode.errors import EnvironmentBuildError
from recode.records import write_bytes
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock, local_wheels

_NO_WHEEL = re.compile(r"has no (?:usable )?wheels|no wheels with a matching|Wheels are required")
_NEEDS_WHEEL = re.compile(r"Wheels are required for `([^`]+)`|Because ([\w.-]+)[^ ]* has no usable wheels")
_COMPILED = (".c", ".cpp", ".cc", ".pyx", ".rs", ".f", ".f90", ".pxd")
_NOT_PACKAGES = frozenset(
    {
        "test",
        "tests",
        "testing",
        "doc",
        "docs",
        "example",
        "examples",
        "benchmark",
        "benchmarks",
        "tools",
        "scripts",
        "setup",
    }
)


def release_environment(folder: Path, library: str, version: str, requires: Sequence[str] = ()) -> Environment:
    """Return the environment of a release; if it has no wheel, one is made from its sources.

    Raises:
        EnvironmentBuildError: it cannot be built.
        MissingExtraError: uv is not installed.
        ReleaseError: the package index cannot be reached.
    """
    try:
        return ensure_environment(ensure_lock(folder, library, version, requires))
    except EnvironmentBuildError as error:
        others = packages_without_wheels(str(error)) - {canonicalize_name(library)}
        if others or not _NO_WHEEL.search(str(error)):
            raise
        make_wheel(library, version)
    return ensure_environment(ensure_lock(folder, library, version, requires))


def packages_without_wheels(error: str) -> frozenset[str]:
    """Return the normal names of the packages that uv says it would have to build from their sources."""
    return frozenset(canonicalize_name(name) for names in _NEEDS_WHEEL.findall(error) for name in names if name)


def make_wheel(library: str, version: str) -> Path:
    """Write the wheel of a release of pure Python into the folder of local wheels, and return its path.

    Raises:
        EnvironmentBuildError: there is no source distribution, or it has to be compiled.
        ReleaseError: the package index cannot be reached.
    """
    sdist = release_of(library, version).sdist
    if sdist is None:
        raise EnvironmentBuildError(f"{library} {version}: it has neither a wheel nor a source distribution as .tar.gz")
    members = dict(all_members(fetch(sdist)))
    if any(path.endswith(_COMPILED) for path in members):
        raise EnvironmentBuildError(
            f"{library} {version}: it has no wheel for this Python, and its sources have to be compiled"
        )
    content = _packages(members)
    if not content:
        raise EnvironmentBuildError(f"{library} {version}: its source distribution holds no Python package")
    name = canonicalize_name(library).replace("-", "_")
    info = f"{name}-{version}.dist-info"
    content[f"{info}/METADATA"] = _metadata(library, version, members).encode()
    content[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: recode\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    file = local_wheels() / f"{name}-{version}-py3-none-any.whl"
    write_bytes(file, _zipped(content, f"{info}/RECORD"))
    return file


def _packages(members: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files to install: those below `src` if there is one, otherwise the top-level packages and modules."""
    below_src = {path.removeprefix("src/"): data for path, data in members.items() if path.startswith("src/")}
    found = {}
    for path, data in (below_src or members).items():
        top = PurePosixPath(path).parts[0].removesuffix(".py")
        is_python = top.isidentifier() and top not in _NOT_PACKAGES
        if is_python and ("/" in path or path.endswith(".py")):
            found[path] = data
    modules = {PurePosixPath(path).parts[0] for path in found if path.endswith(".py")}
    return {path: data for path, data in found.items() if PurePosixPath(path).parts[0] in modules}


def _metadata(library: str, version: str, members: dict[str, bytes]) -> str:
    """Return the metadata with the requirements that the archive lists, those of extras left out."""
    given = HeaderParser().parsestr(members.get("PKG-INFO", b"").decode("utf-8", "replace"))
    requires = [one for one in given.get_all("Requires-Dist", []) if "extra ==" not in one]
    listed = next((data for path, data in members.items() if path.endswith(".egg-info/requires.txt")), b"")
    if not requires:
        requires = _listed_requirements(listed.decode("utf-8", "replace"))
    lines = ["Metadata-Version: 2.1", f"Name: {library}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires)]) + "\n"


def _listed_requirements(text: str) -> list[str]:
    """Return the requirements of setuptools' `requires.txt`; a section in brackets is an extra, a condition, or both."""
    found, condition, wanted = [], "", True
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            extra, _, condition = line.strip("[]").partition(":")
            wanted = not extra
        elif line and wanted:
            found.append(f"{line}; {condition}" if condition else line)
    return found


def _zipped(content: dict[str, bytes], record: str) -> bytes:
    """Return the archive, the same for the same content, with the list of its files."""
    rows = []
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(content):
            digest = base64.urlsafe_b64encode(hashlib.sha256(content[path]).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(content[path])}")
            archive.writestr(zipfile.ZipInfo(path), content[path])
        archive.writestr(zipfile.ZipInfo(record), "\n".join([*rows, f"{record},,"]) + "\n")
    return written.getvalue()
