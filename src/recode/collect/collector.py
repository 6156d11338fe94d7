"""`recode collect`: two releases of a library → update families with evidence."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.status import Status
from rich.table import Table

from recode.collect.join.families import ALIKE, Finding, Pair, join
from recode.collect.join.statements import Claim, Library, is_mute, mentions, message_claims, note_claims, probe_claim
from recode.collect.texts.deprecations import Notice, notices
from recode.collect.texts.notes import Item, is_between, items
from recode.collect.texts.package_index import File, Release, fetch, releases_between
from recode.collect.texts.release_files import note_files, python_sources
from recode.collect.walk.differences import differences
from recode.collect.walk.public_api import Api, import_names, probe, walk
from recode.errors import RecodeError
from recode.records import Record, write_records, write_text
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock, recode_home

_DOWNLOADS = 4
_TEXTS = Path(__file__).parent / "texts"
_LINES = 40
"""Families of low confidence that the table shows; all are in the file."""
_SAME = 150
"""Characters at their beginning by which messages are one."""
RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True)
class Asked:
    """Which two releases of which library to compare, and what their environments need besides.

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
    """The families of one library, and what could not be looked at (a module that cannot be imported, a release without sources)."""

    asked: Asked
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    seconds: float


def asked_of(
    libraries: Sequence[str],
    old: str | None,
    new: str | None,
    package: str | None = None,
    old_requires: Sequence[str] = (),
    new_requires: Sequence[str] = (),
) -> list[Asked]:
    """Read the command line: one library with both releases given apart, or any number as `numpy:1.26.4..2.4.6`.

    Raises:
        RecodeError: a release is missing.
    """  # fmt: skip
    found = []
    for one in libraries:
        name, colon, releases = one.partition(":")
        first, dots, last = releases.partition("..") if colon else (old or "", "..", new or "")
        if not (name and dots and first and last):
            raise RecodeError(
                f"{one}: which releases? Write --from A --to B, or {name or 'LIB'}:A..B for each of several"
            )
        found.append(Asked(name, first, last, package, tuple(old_requires), tuple(new_requires)))
    return found


def collect_and_print(asked: Sequence[Asked], locks: Path | None, out: Path | None, *, as_json: bool) -> bool:
    """Collect each library, print the families, write them; return whether all libraries could be looked at.

    A library that cannot be collected is told in one line and does not stop the others; where none can be, nothing is written.
    """
    console, errors = Console(), Console(stderr=True)
    done: list[Collected] = []
    for one in asked:
        try:
            with Status(one.library, console=errors) as status:
                done.append(collect(one, locks, tell=status.update))
        except RecodeError as error:
            errors.print(f"{one.library}: {error}", style="red", markup=False, soft_wrap=True)
    findings = [finding for each in done for finding in each.findings]
    if out is not None and done:
        write_records(out, findings)
    elif out is not None:
        errors.print(
            f"{out}: not written{', what it holds is kept' if out.exists() else ''}", markup=False, soft_wrap=True
        )
    if as_json:
        print(json.dumps([_as_json(each) for each in done], ensure_ascii=False))
    else:
        for each in done:
            _print(each, console)
    return len(done) == len(asked)


def collect(asked: Asked, locks: Path | None = None, tell: Callable[[str], None] = lambda _: None) -> Collected:
    """Return the update families between two releases.

    Args:
        asked: the library and its releases.
        locks: folder of locks; None: one below `$RECODE_HOME`.
        tell: called with what is being done.

    Raises:
        ReleaseError: the index does not know the library or one of its releases.
        EnvironmentBuildError: an environment cannot be built.
        WalkError: the library cannot be imported in one of them.
    """
    start = time.monotonic()
    tell(f"{asked.library}: looking for its releases")
    releases = releases_between(asked.library, asked.old, asked.new)
    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        # Downloads and the walks, which are processes of their own, go on side by side.
        apis = [pool.submit(walked, asked, locks, which) for which in ("old", "new")]
        tell("importing and walking both releases")
        (_, old), (environment, new) = (one.result() for one in apis)
        packages = tuple(sorted({module.partition(".")[0] for module in [*old.modules, *new.modules]}))
        tell(f"reading the sources of {len(releases)} releases")
        scanned = list(pool.map(lambda release: _notices(release, packages), releases))
        tell("reading the release notes")
        noted = _items(releases[-1])
    tell("joining")
    recent = [item for item in noted if is_between(item.version, asked.old, asked.new)]
    found = differences(old, new)
    gone = sorted({one.path for one in found if one.kind in ("removed", "moved", "renamed")})
    probed = probe(environment, new.package, gone)
    # What a program still reaches is not gone, though no module lists it.
    reached = frozenset(path for path, (outcome, _) in probed.items() if outcome != "raises")
    found = [one for one in found if one.path not in reached]
    new = replace(new, reached=reached)
    library = Library(old, new)
    said = [
        *_probed(probed, library),
        *_messages(scanned, library),
        *(claim for item in recent for claim in note_claims(item, asked.new, library)),
        *mentions(found, recent, library),
    ]
    findings = join(Pair(asked.library, old, new), found, said)
    remarks = [
        f"{version}: module {module} cannot be imported ({reason})" for version, module, reason in _failures(old, new)
    ]
    remarks += [
        f"{release.version}: no file to read the sources from" for release in releases if release.smallest is None
    ]
    remarks += [] if noted else [f"{asked.new}: its source distribution ships no release notes"]
    return Collected(asked, tuple(findings), tuple(remarks), time.monotonic() - start)


def walked(asked: Asked, locks: Path | None, which: str) -> tuple[Environment, Api]:
    """Return the environment and the public names of the `old` or the `new` release."""
    version, requires = (asked.old, asked.old_requires) if which == "old" else (asked.new, asked.new_requires)
    environment = ensure_environment(ensure_lock(locks or recode_home() / "locks", asked.library, version, requires))
    packages = (asked.package,) if asked.package else import_names(environment, asked.library)
    return environment, walk(environment, packages, version)


def _failures(old: Api, new: Api) -> Iterator[tuple[str, str, str]]:
    """Yield (release, module, reason) of modules that could not be imported in one of the releases; in both, nothing is missed."""
    for api, other in ((old, new), (new, old)):
        for module, reason in api.failures.items():
            if module not in other.failures:
                yield api.version, module, reason


# --- claims ---


def _probed(probed: dict[str, tuple[str, str]], library: Library) -> Iterator[Claim]:
    """Yield what the new release itself says to programs that use what is gone, or that it warned of during the walk.

    What it says of many names alike is about their module.
    """
    told = [
        (path, outcome, message)
        for path, (outcome, message) in probed.items()
        if outcome != "works" and not is_mute(message)
    ]
    told += [
        (path, "warns", message)
        for name in library.new.names
        for path, message in name.told.items()
        if path in library.old.by_path and path not in probed
    ]
    heard: dict[str, list[str]] = {}
    for path, _, message in told:
        heard.setdefault(_wording(path, message), []).append(path)
    for path, outcome, message in told:
        alike = heard[_wording(path, message)]
        module = path.rpartition(".")[0]
        if len(alike) < ALIKE or module == library.new.package:
            claim = probe_claim(path, outcome, message, library)
        else:
            claim = probe_claim(module, "warns", message, library) if path == alike[0] else None
        if claim is not None:
            yield claim


def _wording(path: str, message: str) -> str:
    """Return how a message begins, without the name that it is about: long ones are cut off at different places."""
    return re.sub(rf"\b{re.escape(path.rpartition('.')[2])}\b", "…", message)[:_SAME]


def series(version: str) -> str:
    """Return a release's minor series: `2.0` for `2.0.2`, whose last patch stands for all of them."""
    return ".".join(version.split(".")[:2])


def _messages(scanned: Sequence[tuple[str, list[Notice]]], library: Library) -> Iterator[Claim]:
    """Yield the claims of the messages in all releases, each message once: as its last release words it."""
    first: dict[tuple[str, str], str] = {}
    last: dict[tuple[str, str], tuple[str, Notice]] = {}
    for version, found in scanned:
        for notice in found:
            key = (notice.owner, notice.text)
            first.setdefault(key, version)
            last[key] = version, notice
    newest = library.new.version
    versions = [version for version, _ in scanned]
    for key, (version, notice) in last.items():
        present = version == newest
        for claim in message_claims(notice, version, library, present=present):
            since = series(first[key]) if first[key] != versions[0] else ""
            gone = "" if present else series(versions[versions.index(version) + 1])
            yield replace(_dated(claim, since, gone), older=first[key] == versions[0])


def _dated(claim: Claim, seen_first: str, gone: str) -> Claim:
    """Fill in what the message does not say: the release that first had it, and the first without it."""
    since = claim.deprecated_in or (seen_first if claim.verb == "deprecated" else "")
    return replace(claim, deprecated_in=since, removed_in=claim.removed_in or gone)


# --- sources and notes, remembered for each file ---


def _notices(release: Release, packages: Sequence[str]) -> tuple[str, list[Notice]]:
    file = release.smallest
    if file is None:
        return release.version, []

    def read() -> list[Notice]:
        data = fetch(file)
        return notices([source for package in packages for source in python_sources(file, data, package)])

    return release.version, _remembered("notices", file, packages, ("deprecations", "release_files"), Notice, read)


def _items(release: Release) -> list[Item]:
    file = release.sdist
    if file is None:
        return []

    def read() -> list[Item]:
        return [item for path, text in note_files(fetch(file)) for item in items(path, text)]

    return _remembered("items", file, (), ("notes", "release_files"), Item, read)


def _remembered(
    what: str,
    file: File,
    packages: Sequence[str],
    readers: Sequence[str],
    kind: type[RecordT],
    read: Callable[[], list[RecordT]],
) -> list[RecordT]:
    """Return what reading a file gives; kept under the file's hash and that of the modules that read it."""
    code = b"".join((_TEXTS / f"{one}.py").read_bytes() for one in readers)
    key = hashlib.sha256(
        f"{file.sha256}\n{' '.join(packages)}\n{hashlib.sha256(code).hexdigest()}".encode()
    ).hexdigest()
    path = recode_home() / what / f"{key}.json"
    adapter = TypeAdapter(list[kind])  # type: ignore[valid-type]
    try:
        return list(adapter.validate_json(path.read_bytes()))
    except (OSError, ValidationError):
        found = read()
        write_text(path, adapter.dump_json(found).decode())
        return found


# --- what is printed ---


def _as_json(one: Collected) -> dict[str, object]:
    asked = one.asked
    return {
        "library": asked.library, "old_version": asked.old, "new_version": asked.new, "seconds": round(one.seconds, 1),
        "remarks": one.remarks, "findings": [finding.model_dump(mode="json") for finding in one.findings],
    }  # fmt: skip


def _print(one: Collected, console: Console) -> None:
    asked = one.asked
    table = Table(
        "kind", "old", "new", "since", "evidence", "confidence", title=f"{asked.library} {asked.old} → {asked.new}"
    )
    low = 0
    for finding in one.findings:
        low += finding.confidence == "low"
        if low <= _LINES or finding.confidence != "low":
            table.add_row(*_row(finding))
    console.print(table, markup=False)
    kinds = Counter(finding.update.kind for finding in one.findings)
    console.print(
        f"{len(one.findings)} families: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    )
    if low > _LINES:
        console.print(f"{low - _LINES} more of low confidence are in the file (--out) and in --json")
    for remark in one.remarks:
        console.print(remark, style="dim", markup=False)
    console.print(f"{one.seconds:.0f} s")


def _row(finding: Finding) -> tuple[str, ...]:
    update = finding.update
    since = update.removed_in or update.deprecated_in
    proof = update.evidence[0]
    more = f" +{len(finding.also)}" if finding.also else ""
    where = f"{proof.source}, {proof.package_version} {proof.file}:{proof.line}"
    return update.kind, update.old_symbol + more, update.new_symbol, since, where, finding.confidence
