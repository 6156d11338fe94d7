"""The releases of a library and their files, from the package index.

The index is PyPI's JSON API, which gives sizes, hashes and what was yanked. `$RECODE_INDEX` names another server with that API.
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
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
class ReleaseFile:
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
    files: tuple[ReleaseFile, ...]

    @property
    def smallest(self) -> ReleaseFile | None:
        """The smallest wheel, or else the source distribution. All wheels of a release contain the same Python sources."""
        wheels = sorted((file for file in self.files if file.kind == "wheel"), key=lambda file: file.size)
        return wheels[0] if wheels else self.sdist

    @property
    def sdist(self) -> ReleaseFile | None:
        """The source distribution."""
        return next((file for file in self.files if file.kind == "sdist" and file.name.endswith(".tar.gz")), None)


def releases_between(library: str, old: str, new: str) -> list[Release]:
    """Return the two releases and the last final, not yanked release of every minor series in between; oldest first.

    Raises:
        ReleaseError: the index cannot be reached, or one of the two releases is unknown or not before the other.
    """
    known = {Version(version): files for version, files in _listing(library)}
    first, last = (_parsed(library, version, known) for version in (old, new))
    if first >= last:
        raise ReleaseError(f"{library} {old} is not before {new}; give the older release as --from")
    newest: dict[tuple[int, ...], Version] = {}
    for version in sorted(known):
        # This includes later patches of the first release's own minor series, and excludes those of the last one's.
        if first < version < last and not version.is_prerelease:
            newest[version.release[:2]] = version
    newest.pop(last.release[:2], None)
    return [Release(library, str(version), known[version]) for version in (first, *newest.values(), last)]


def release_of(library: str, version: str) -> Release:
    """Return one release.

    Raises:
        ReleaseError: the index cannot be reached, or the release is unknown.
    """
    known = {Version(name): files for name, files in _listing(library)}
    found = _parsed(library, version, known)
    return Release(library, str(found), known[found])


def release_dates(library: str) -> dict[str, date]:
    """Return the day on which each release was first uploaded.

    Raises:
        ReleaseError: the index cannot be reached, or does not answer as PyPI does.
    """
    url = _address(library)
    try:
        listed = json.loads(_get(url, library))["releases"].items()
        return {
            version: min(datetime.fromisoformat(file["upload_time_iso_8601"]).date() for file in files)
            for version, files in listed
            if files
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ReleaseError(f"{library}: {url} does not answer as PyPI's JSON API does; check $RECODE_INDEX") from None


def releases_before(library: str, version: str) -> list[str]:
    """Return the last final release of every minor series before a version, newest first.

    Its own series is included where it has an earlier release.

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


def fetch(file: ReleaseFile) -> bytes:
    """Return the content of a file, after checking its hash.

    Raises:
        ReleaseError: it cannot be downloaded, or does not have the hash that the index gives.
    """
    data = _get(file.url, file.name)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ReleaseError(f"{file.name}: the downloaded file does not have the hash that the index gives; try again")
    return data


def _parsed(library: str, version: str, known: dict[Version, tuple[ReleaseFile, ...]]) -> Version:
    try:
        parsed = Version(version)
    except InvalidVersion:
        raise ReleaseError(f"{version!r} is not a version; give one such as 1.26.4") from None
    if parsed not in known:
        near = [str(one) for one in sorted(known) if one.release[:1] == parsed.release[:1]][-8:]
        hint = f"; some of its releases: {', '.join(near)}" if near else ""
        raise ReleaseError(f"{library} has no release {version} on the index{hint}")
    return parsed


def _listing(library: str) -> Iterator[tuple[str, tuple[ReleaseFile, ...]]]:
    url = _address(library)
    data = _get(url, library)
    try:
        listed = json.loads(data)["releases"].items()
        found = [
            (version, tuple(file for entry in entries if not entry.get("yanked") and (file := _file(entry, url))))
            for version, entries in listed
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ReleaseError(f"{library}: {url} does not answer as PyPI's JSON API does; check $RECODE_INDEX") from None
    for version, files in found:
        try:
            Version(version)
        except InvalidVersion:
            continue
        if files:
            yield version, files


def _address(library: str) -> str:
    base = os.environ.get("RECODE_INDEX") or PYPI
    return f"{base.rstrip('/')}/{canonicalize_name(library)}/json"


def _file(entry: dict[str, Any], base: str) -> ReleaseFile | None:
    kinds: dict[str, Literal["wheel", "sdist"]] = {"bdist_wheel": "wheel", "sdist": "sdist"}
    kind = kinds.get(entry["packagetype"])
    if kind is None:
        return None
    # Mirrors give addresses relative to that of the page.
    url = urllib.parse.urljoin(base, entry["url"])
    return ReleaseFile(entry["filename"], url, entry["digests"]["sha256"], entry["size"], kind)


def _get(url: str, subject: str) -> bytes:
    """Return the content of an address; a failure of the network or the server is retried.

    Raises:
        ReleaseError: the address does not exist, or still fails at the last try; the message begins with `subject`.
    """
    # Imported here, so that the command line starts without them.
    import httpx
    import tenacity

    class Retryable(Exception):
        """A failure that may pass."""

    @tenacity.retry(
        stop=tenacity.stop_after_attempt(_TRIES),
        wait=tenacity.wait_incrementing(start=1, increment=1),
        retry=tenacity.retry_if_exception_type(Retryable),
        sleep=time.sleep,
        reraise=True,
    )
    def attempt() -> bytes:
        try:
            # The system's certificates, as other tools on the machine use: an index within a company may need them.
            context = ssl.create_default_context()
            answer = httpx.get(url, timeout=_TIMEOUT, follow_redirects=True, verify=context)
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise ReleaseError(f"{subject}: not on the index; check the name as PyPI spells it")
            if not answer.is_success:
                raise Retryable(f"HTTP {answer.status_code}")
            return answer.content
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Retryable(str(error) or type(error).__name__) from None

    try:
        return attempt()
    except Retryable as error:
        raise ReleaseError(f"{subject}: cannot be downloaded ({error}); check the network") from None
