"""The order of the stages: two releases of a library → update families with evidence."""

from __future__ import annotations

import functools
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import TypeAdapter, ValidationError
from rapidfuzz.distance.Levenshtein import normalized_similarity as ratio

from recode.collect.join.families import ALIKE, ReleasePair, UpdateFamily, join
from recode.collect.join.lookup import NameLookup
from recode.collect.join.message_statements import is_interpreters_own, message_statements, probe_statement
from recode.collect.join.note_statements import mentions, note_statements
from recode.collect.join.statements import Statement
from recode.collect.texts.deprecations import Notice, notices
from recode.collect.texts.notes import NoteItem, is_between, items
from recode.collect.texts.package_index import Release, ReleaseFile, fetch, releases_between
from recode.collect.texts.plain_wheels import release_environment
from recode.collect.texts.release_files import note_files, python_sources
from recode.collect.walk.differences import differences
from recode.collect.walk.public_api import Api, import_names, probe, walk, without_refusals
from recode.errors import RecodeError
from recode.records import Record, write_text
from recode.sandbox.environments import Environment, recode_home

_DOWNLOADS = 4
_TEXTS = Path(__file__).parent / "texts"
_MESSAGE_START = 150
"""Characters by which messages are compared: long ones are cut off at different places."""
_SAME_MESSAGE = 0.7
"""Similarity, from 0 to 1, of two messages of one function from which they are wordings of one announcement."""
_SAYS_GONE = re.compile(r"remov|no longer|renam|replaced|discontinued", re.I)
"""Words of an error that says that a name is gone."""
RecordT = TypeVar("RecordT", bound=Record)
Side = Literal["old", "new"]


@dataclass(frozen=True)
class CollectRequest:
    """Which two releases of which library to compare, and what else their environments need.

    `package` is the name that programs import; None: found in the release.
    """

    library: str
    old: str
    new: str
    package: str | None = None
    old_requires: tuple[str, ...] = ()
    new_requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collected:
    """The families of one library, and remarks on what could not be examined, such as a module that cannot be imported."""

    request: CollectRequest
    families: tuple[UpdateFamily, ...]
    remarks: tuple[str, ...]
    seconds: float


def parse_requests(
    libraries: Sequence[str],
    old: str | None,
    new: str | None,
    package: str | None = None,
    old_requires: Sequence[str] = (),
    new_requires: Sequence[str] = (),
) -> list[CollectRequest]:
    """Return what a command line requests: one library with `old` and `new`, or any number written as `numpy:1.26.4..2.4.6`.

    Raises:
        RecodeError: a release is missing.
    """
    requests = []
    for text in libraries:
        name, colon, releases = text.partition(":")
        first, dots, last = releases.partition("..") if colon else (old or "", "..", new or "")
        if not (name and dots and first and last):
            raise RecodeError(
                f"{text}: which releases? Write --from A --to B, or {name or 'LIB'}:A..B for each of several"
            )
        requests.append(CollectRequest(name, first, last, package, tuple(old_requires), tuple(new_requires)))
    return requests


def collect(
    request: CollectRequest, locks: Path | None = None, on_progress: Callable[[str], None] = lambda _: None
) -> Collected:
    """Return the update families between two releases.

    Args:
        request: the library and its releases.
        locks: folder of locks; None: one below `$RECODE_HOME`.
        on_progress: called with a description of the current step.

    Raises:
        ReleaseError: the index does not know the library or one of its releases.
        EnvironmentBuildError: an environment cannot be built.
        WalkError: the library cannot be imported in one of them.
    """
    start = time.monotonic()
    on_progress(f"{request.library}: looking for its releases")
    releases = releases_between(request.library, request.old, request.new)
    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        # Downloads run in parallel with the walks, which are processes of their own.
        sides: tuple[Side, Side] = ("old", "new")
        walks = [pool.submit(walk_release, request, locks, side) for side in sides]
        on_progress("importing and walking both releases")
        (_, old), (environment, new) = (one.result() for one in walks)
        packages = tuple(sorted({module.partition(".")[0] for module in [*old.modules, *new.modules]}))
        on_progress(f"reading the sources of {len(releases)} releases")
        by_release = list(pool.map(lambda release: _notices(release, packages), releases))
        on_progress("reading the release notes")
        notes = _note_items(releases[-1])
    on_progress("joining")
    recent = [item for item in notes if is_between(item.version, request.old, request.new)]
    ask = functools.partial(probe, environment, new.package)
    families = families_of(request.library, (old, new), by_release, recent, ask)
    remarks = [*_unexamined(old, new), *_unread(releases, notes, request.new)]
    return Collected(request, tuple(families), tuple(remarks), time.monotonic() - start)


def families_of(
    library: str,
    releases: tuple[Api, Api],
    by_release: Sequence[tuple[str, list[Notice]]],
    notes: Sequence[NoteItem],
    ask: Callable[[Sequence[str]], dict[str, tuple[str, str]]],
) -> list[UpdateFamily]:
    """Join the differences between two releases with what their texts say.

    Args:
        library: the distribution's name.
        releases: the public names of the old and of the new release.
        by_release: each release with the messages in its sources, the old one first and the new one last.
        notes: items of release notes that are younger than the old release.
        ask: returns what happens to a program that uses a path in the new release (`public_api.probe`).
    """
    old = releases[0]
    new = without_refusals(releases[1], old)
    found = differences(old, new)
    gone = sorted({one.path for one in found if one.kind in ("removed", "moved", "renamed")})
    probes = ask(gone)
    probes |= {path: ("raises", new.refused[path]) for path in gone if path in new.refused}
    # Some names stay only to say, at any access, that they are gone; others cannot be inspected without a configuration.
    unreadable = {path: new.unreadable[path] for path in gone if path in new.unreadable}
    probes |= {path: ("raises", message) for path, message in unreadable.items() if _SAYS_GONE.search(message)}
    # A path that programs can still use is not gone, though no module lists it.
    reached = frozenset(path for path, (outcome, _) in probes.items() if outcome != "raises")
    found = [one for one in found if one.path not in reached]
    new = replace(new, reached=reached)
    lookup = NameLookup(old, new)
    statements = [
        *_probe_statements(probes, lookup),
        *_message_statements(by_release, lookup),
        *(statement for item in notes for statement in note_statements(item, new.version, lookup)),
        *mentions(found, notes, lookup),
    ]
    return join(ReleasePair(library, old, new), found, statements)


def walk_release(request: CollectRequest, locks: Path | None, side: Side) -> tuple[Environment, Api]:
    """Return the environment and the public names of the old or the new release.

    Raises:
        EnvironmentBuildError: the environment cannot be built.
        WalkError: the library cannot be imported in it.
    """
    version, requires = {
        "old": (request.old, request.old_requires),
        "new": (request.new, request.new_requires),
    }[side]
    environment = release_environment(locks or recode_home() / "locks", request.library, version, requires)
    packages = (request.package,) if request.package else import_names(environment, request.library)
    return environment, walk(environment, packages, version)


def series(version: str) -> str:
    """Return a release's minor series: `2.0` for `2.0.2`, represented by its last patch release."""
    return ".".join(version.split(".")[:2])


# --- what could not be examined ---


def _unexamined(old: Api, new: Api) -> Iterator[str]:
    """Yield the modules that cannot be imported, and the names that cannot be inspected, in one of the two releases.

    A fault in both is left out: there is nothing to compare.
    """
    for api, other in ((old, new), (new, old)):
        for module, reason in api.failures.items():
            if module not in other.failures:
                yield f"{api.version}: module {module} cannot be imported ({reason})"
        for path, reason in api.unreadable.items():
            if path not in other.unreadable:
                yield f"{api.version}: {path} cannot be inspected ({reason})"


def _unread(releases: Sequence[Release], notes: Sequence[NoteItem], newest: str) -> Iterator[str]:
    """Yield the releases whose sources or notes are missing."""
    for release in releases:
        if release.smallest is None:
            yield f"{release.version}: no file to read the sources from"
    if not notes:
        yield f"{newest}: its source distribution ships no release notes"


# --- statements ---


def _probe_statements(probes: dict[str, tuple[str, str]], lookup: NameLookup) -> Iterator[Statement]:
    """Yield what the new release says to programs that use a name that is gone, or warned of when it was walked.

    A message that many names of one module share is about the module.
    """
    messages = [
        (path, outcome, message)
        for path, (outcome, message) in probes.items()
        if outcome != "works" and not is_interpreters_own(message)
    ]
    messages += [
        (path, "warns", message)
        for name in lookup.new.names
        for path, message in name.warnings.items()
        if path in lookup.old.by_path and path not in probes
    ]
    alike: dict[str, list[str]] = {}
    for path, _, message in messages:
        alike.setdefault(_without_name(path, message), []).append(path)
    for path, outcome, message in messages:
        same = alike[_without_name(path, message)]
        module = path.rpartition(".")[0]
        siblings = sum(one.rpartition(".")[0] == module for one in lookup.old.by_path)
        if len(same) < ALIKE or module == lookup.new.package or 2 * len(same) < siblings:
            statement = probe_statement(path, outcome, message, lookup)
        else:
            statement = probe_statement(module, "warns", message, lookup) if path == same[0] else None
        if statement is not None:
            yield statement


def _without_name(path: str, message: str) -> str:
    """Return the start of a message, without the name that it is about."""
    return re.sub(rf"\b{re.escape(path.rpartition('.')[2])}\b", "…", message)[:_MESSAGE_START]


def _message_statements(
    by_release: Sequence[tuple[str, list[Notice]]], lookup: NameLookup
) -> Iterator[Statement]:  # fmt: skip
    """Yield the statements of the messages in all releases, each message once: as its last release words it."""
    first: dict[tuple[str, str], str] = {}
    last: dict[tuple[str, str], tuple[str, Notice]] = {}
    said: dict[str, dict[str, str]] = {}
    for version, found in by_release:
        for notice in found:
            key = (notice.owner, notice.text)
            earlier = said.setdefault(notice.owner, {})
            first.setdefault(key, _first_said(notice.text, earlier) if notice.owner and key not in first else version)
            first[key] = first[key] or version
            earlier.setdefault(notice.text, first[key])
            last[key] = version, notice
    versions = [version for version, _ in by_release]
    for key, (version, notice) in last.items():
        in_new = version == lookup.new.version
        in_old = first[key] == versions[0]
        since = "" if in_old else series(first[key])
        gone = "" if in_new else series(versions[versions.index(version) + 1])
        for statement in message_statements(notice, version, lookup, in_new=in_new):
            # What a message does not say follows from the releases that have it.
            deprecated = statement.deprecated_in or (since if statement.verb == "deprecated" else "")
            removed = statement.removed_in or gone
            yield replace(statement, in_old=in_old, deprecated_in=deprecated, removed_in=removed)


def _first_said(text: str, earlier: dict[str, str]) -> str:
    """Return the first release with a message that only its wording tells apart; empty where there is none."""
    return next((version for other, version in earlier.items() if ratio(text, other) >= _SAME_MESSAGE), "")


# --- sources and notes, cached by file ---


def _notices(release: Release, packages: Sequence[str]) -> tuple[str, list[Notice]]:
    file = release.smallest
    if file is None:
        return release.version, []

    def read() -> list[Notice]:
        data = fetch(file)
        return notices([source for package in packages for source in python_sources(file, data, package)])

    cache = _Cache("notices", ("deprecations", "release_files"))
    return release.version, cache.get(file, Notice, read, packages)


def _note_items(release: Release) -> list[NoteItem]:
    file = release.sdist
    if file is None:
        return []

    def read() -> list[NoteItem]:
        return [item for path, text in note_files(fetch(file)) for item in items(path, text)]

    return _Cache("items", ("notes", "release_files")).get(file, NoteItem, read)


@dataclass(frozen=True)
class _Cache:
    """What was read from downloaded files, below a folder of `$RECODE_HOME`; `readers` are the modules that read them."""

    folder: str
    readers: tuple[str, ...]

    def get(
        self, file: ReleaseFile, kind: type[RecordT], read: Callable[[], list[RecordT]], packages: Sequence[str] = ()
    ) -> list[RecordT]:
        """Return what reading a file gives; the key covers the file, the packages and the code of the readers."""
        code = b"".join((_TEXTS / f"{reader}.py").read_bytes() for reader in self.readers)
        text = f"{file.sha256}\n{' '.join(packages)}\n{hashlib.sha256(code).hexdigest()}"
        path = recode_home() / self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        adapter = TypeAdapter(list[kind])  # type: ignore[valid-type]
        try:
            return list(adapter.validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            records = read()
            write_text(path, adapter.dump_json(records).decode())
            return records
