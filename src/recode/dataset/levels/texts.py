"""The texts of releases that notes are taken from, downloaded once and kept below `$RECODE_HOME`."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from datetime import date

from recode.collect.texts.package_index import Release, ReleaseError, ReleaseFile, fetch, release_dates, release_of
from recode.collect.texts.release_files import note_files
from recode.records import write_text
from recode.sandbox.environments import recode_home


class ReleaseTexts:
    """Reads release notes and single source files of releases; what was read once is read from the disk afterwards."""

    def __init__(self) -> None:
        """Start with nothing looked up."""
        self._releases: dict[tuple[str, str], Release | None] = {}
        self._dates: dict[str, dict[str, date]] = {}

    def notes(self, library: str, version: str) -> list[tuple[str, str]]:
        """Return (path, text) of the release notes in a source distribution; none where it has none.

        Raises:
            ReleaseError: the index cannot be reached.
        """
        release = self._release(library, version)
        if release is None or release.sdist is None:
            return []
        sdist = release.sdist
        kept = _kept("notes", sdist)
        if kept is None:
            kept = dict(note_files(fetch(sdist)))
            _keep("notes", sdist, kept)
        return list(kept.items())

    def sources(self, library: str, version: str, files: frozenset[str]) -> dict[str, str]:
        """Return the texts of some files of a release, by the names they were asked for; files it lacks are left out.

        Raises:
            ReleaseError: the index cannot be reached.
        """
        release = self._release(library, version)
        file = _cheapest(release) if release else None
        if file is None:
            return {}
        key = "sources-" + hashlib.sha256(" ".join(sorted(files)).encode()).hexdigest()[:12]
        kept = _kept(key, file)
        if kept is None:
            kept = _members(file, fetch(file), files)
            _keep(key, file, kept)
        return kept

    def released(self, library: str, version: str) -> str:
        """Return the date of a release, or of the first one of its series, as `YYYY-MM-DD`; empty where the index has none.

        Raises:
            ReleaseError: the index cannot be reached.
        """
        if library not in self._dates:
            self._dates[library] = release_dates(library)
        dates = self._dates[library]
        wanted = version.split(".")
        same = [day for known, day in dates.items() if known == version]
        same = same or [day for known, day in dates.items() if known.split(".")[: len(wanted)] == wanted]
        return min(same).isoformat() if same else ""

    def _release(self, library: str, version: str) -> Release | None:
        key = library, version
        if key not in self._releases:
            try:
                self._releases[key] = release_of(library, version)
            except ReleaseError as error:
                if "no release" not in str(error):
                    raise
                self._releases[key] = None
        return self._releases[key]


def _cheapest(release: Release) -> ReleaseFile | None:
    """Return the smallest file that holds the Python sources."""
    files = [file for file in (release.smallest, release.sdist) if file is not None]
    return min(files, key=lambda file: file.size, default=None)


def _members(file: ReleaseFile, data: bytes, wanted: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}

    def offer(name: str, content: bytes) -> None:
        for one in wanted:
            if name == one or name.endswith(f"/{one}"):
                found.setdefault(one, content.decode("utf-8", "replace"))

    ends = tuple(wanted)
    if file.kind == "wheel":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                if name.endswith(ends):
                    offer(name, archive.read(name))
        return found
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(ends) and (inner := tar.extractfile(member)) is not None:
                offer(member.name, inner.read())
    return found


def _kept(kind: str, file: ReleaseFile) -> dict[str, str] | None:
    try:
        kept: dict[str, str] = json.loads((recode_home() / "texts" / f"{file.sha256}-{kind}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return kept


def _keep(kind: str, file: ReleaseFile, texts: dict[str, str]) -> None:
    write_text(recode_home() / "texts" / f"{file.sha256}-{kind}.json", json.dumps(texts))
