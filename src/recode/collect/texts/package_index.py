"""Which releases of a library there are between two of them, and their files, from the package index.

The index is PyPI's JSON interface, which gives sizes, hashes and what was yanked; `$RECODE_INDEX` names another server that speaks it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from recode.errors import RecodeError

PYPI = "https://pypi.org/pypi"
_TRIES = 3
_TIMEOUT = 120.0


class ReleaseError(RecodeError):
    """The index does not know a library or a release, or cannot be reached."""


@dataclass(frozen=True)
class File:
    """One file of a release; `size` in bytes, `sha256` in hexadecimal."""

    name: str
    url: str
    sha256: str
    size: int
    kind: Literal["wheel", "sdist"]


@dataclass(frozen=True)
class Release:
    """A final release of a library, with its files."""

    library: str
    version: str
    files: tuple[File, ...]

    @property
    def smallest(self) -> File | None:
        """The smallest file. All wheels of a release hold the same Python sources, so any will do to read them."""
        wheels = sorted((file for file in self.files if file.kind == "wheel"), key=lambda file: file.size)
        return wheels[0] if wheels else self.sdist

    @property
    def sdist(self) -> File | None:
        """The source distribution."""
        return next((file for file in self.files if file.kind == "sdist" and file.name.endswith(".tar.gz")), None)


def releases_between(library: str, old: str, new: str) -> list[Release]:
    """Return the two releases and, of every minor series in between, the last final one that was not yanked; oldest first.

    Raises:
        ReleaseError: the index cannot be reached, or one of the two releases is unknown or not before the other.
    """
    known = {Version(version): files for version, files in _listing(library)}
    first, last = (_asked(library, version, known) for version in (old, new))
    if first >= last:
        raise ReleaseError(f"{library} {old} is not before {new}; give the older release as --from")
    newest: dict[tuple[int, ...], Version] = {}
    for version in sorted(known):
        # Patches of the first release's own minor series come after it; those of the last one's are not reached.
        if first < version < last and not version.is_prerelease:
            newest[version.release[:2]] = version
    newest.pop(last.release[:2], None)
    return [Release(library, str(version), known[version]) for version in (first, *newest.values(), last)]


def releases_before(library: str, version: str) -> list[str]:
    """Return the last final release of every minor series before a version, newest first; its own series too, where it has an earlier one.

    Raises:
        ReleaseError: the index cannot be reached, or the text is no version.
    """
    try:
        last = Version(version)
    except InvalidVersion:
        raise ReleaseError(f"{version!r} is not a version; give one such as 1.26.4") from None
    newest: dict[tuple[int, ...], Version] = {}
    for known in sorted(Version(one) for one, _ in _listing(library)):
        if known < last and not known.is_prerelease:
            newest[known.release[:2]] = known
    return [str(one) for one in sorted(newest.values(), reverse=True)]


def fetch(file: File) -> bytes:
    """Download a file and check its hash.

    Raises:
        ReleaseError: it cannot be downloaded, or is not what the index says.
    """
    data = _get(file.url, file.name)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ReleaseError(f"{file.name}: the downloaded file does not have the hash that the index gives; try again")
    return data


def _asked(library: str, version: str, known: dict[Version, tuple[File, ...]]) -> Version:
    try:
        parsed = Version(version)
    except InvalidVersion:
        raise ReleaseError(f"{version!r} is not a version; give one such as 1.26.4") from None
    if parsed not in known:
        near = [str(one) for one in sorted(known) if one.release[:1] == parsed.release[:1]][-8:]
        hint = f"; some of its releases: {', '.join(near)}" if near else ""
        raise ReleaseError(f"{library} has no release {version} on the index{hint}")
    return parsed


def _listing(library: str) -> Iterator[tuple[str, tuple[File, ...]]]:
    base = os.environ.get("RECODE_INDEX") or PYPI
    url = f"{base.rstrip('/')}/{canonicalize_name(library)}/json"
    data = _get(url, library)
    try:
        listed = json.loads(data)["releases"].items()
        found = [
            (version, tuple(file for entry in entries if not entry.get("yanked") and (file := _file(entry, url))))
            for version, entries in listed
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ReleaseError(
            f"{library}: {url} does not answer as PyPI's JSON interface does; check $RECODE_INDEX"
        ) from None
    for version, files in found:
        try:
            Version(version)
        except InvalidVersion:
            continue
        if files:
            yield version, files


def _file(entry: dict[str, Any], base: str) -> File | None:
    kinds: dict[str, Literal["wheel", "sdist"]] = {"bdist_wheel": "wheel", "sdist": "sdist"}
    kind = kinds.get(entry["packagetype"])
    if kind is None:
        return None
    # Mirrors give addresses that are relative to the page's own.
    url = urllib.parse.urljoin(base, entry["url"])
    return File(entry["filename"], url, entry["digests"]["sha256"], entry["size"], kind)


def _get(url: str, what: str) -> bytes:
    """Return what an address holds; try again where the network fails."""
    for attempt in range(1, _TRIES + 1):
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise ReleaseError(f"{what}: not on the index; check the name as PyPI spells it") from None
            reason: object = f"HTTP {error.code}"
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
        if attempt < _TRIES:
            time.sleep(attempt)
    raise ReleaseError(f"{what}: cannot be downloaded ({reason}); check the network")
