"""Building the knowledge about a library for `recode scan`: from what `recode collect` finds, and from the update sources.

The update sources come first, because their programs were run. Collected families are added where they say something new. Left out is
what a program's syntax cannot show: `numpy.sum` is deprecated for generators only, so most uses of it are right.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from recode.collect.collector import CollectRequest, collect, walk_release
from recode.collect.join.families import UpdateFamily
from recode.collect.walk.public_api import Api, without_refusals
from recode.dataset.sources import SourceUpdate, Text, UpdateSource, read_file
from recode.errors import RecodeError, RecordError
from recode.knowledge.collected import GONE, Dates, collected_updates
from recode.knowledge.member_names import write_common
from recode.knowledge.model import Knowledge, write_knowledge
from recode.knowledge.narrowing import narrowed
from recode.knowledge.shape import Describe, canonical_paths, described_in, shape_of
from recode.records import ApiUpdate, Evidence, Kind, Record, first_fault
from recode.symbol import Symbol

_PARAMETERS = frozenset({"parameter_renamed", "parameter_removed", "keyword_only"})

PYTHON = "python"
"""The library's name in `--to python==3.13`."""
Progress = Callable[[str], None]
SourceT = TypeVar("SourceT")


class Pattern(Record):
    """An update without programs, for what `data/sources` has none of."""

    id: Text
    kind: Kind
    old_symbol: Symbol
    new_symbol: Symbol = Symbol()
    deprecated_in: str = ""
    removed_in: str = ""
    description: Text
    update_info: Text
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1)]


class KnowledgeSource(Record):
    """One file of `data/knowledge`: which releases to compare, which updates to leave out and which to add."""

    library: Text
    old_version: Text
    new_version: Text
    old_requires: tuple[str, ...] = ()
    new_requires: tuple[str, ...] = ()
    milestones: tuple[str, ...] = ()
    """Releases in between that are walked too. They date removals that neither messages nor notes date."""
    skip: tuple[str, ...] = ()
    """Symbols to leave out: most uses are right, or a pattern here is better. `path.*` leaves out all collected names below a path."""
    refine: dict[Symbol, tuple[Symbol, ...]] = Field(default_factory=dict)
    """Symbols of the update sources → the same, narrowed to the values that the update is about."""
    update: tuple[Pattern, ...] = ()


def read_source(file: Path) -> KnowledgeSource:
    """Read a file of `data/knowledge`.

    Raises:
        RecordError: it cannot be read or does not follow the format; names file and field.
    """
    try:
        return KnowledgeSource.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecordError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecordError(f"{file}: not valid TOML: {error}") from None
    except ValidationError as error:
        raise RecordError(f"{file}: {first_fault(error)}") from None


def build_knowledge(
    source: KnowledgeSource,
    written: UpdateSource | None = None,
    locks: Path | None = None,
    on_progress: Progress = lambda _: None,
) -> Knowledge:
    """Compare two releases of a library and return what scanning needs to know about them.

    Args:
        source: the library and releases, and which updates to leave out and to add.
        written: the library's update source, where there is one.
        locks: folder of locks; None: one below `$RECODE_HOME`.
        on_progress: called with a description of the current step.

    Raises:
        RecodeError: a release cannot be fetched, installed or imported.
    """
    request = _request(source)
    families = collect(request, locks, on_progress).families
    environment, old = walk_release(request, locks, "old")
    new = without_refusals(walk_release(request, locks, "new")[1], old)
    on_progress("walking the releases in between")
    walked = [api for version in source.milestones if (api := _milestone(request, version, locks)) is not None]
    compared = CollectedReleases(families, old, [*(without_refusals(api, old) for api in walked), new])
    return assembled(source, written, compared, functools.partial(described_in, environment, old))


@dataclass(frozen=True)
class CollectedReleases:
    """What collecting found about a library: families, the older release, and the later ones in order, the newest last."""

    families: Sequence[UpdateFamily]
    old: Api
    later: Sequence[Api]


def assembled(
    source: KnowledgeSource, written: UpdateSource | None, compared: CollectedReleases, describe: Describe
) -> Knowledge:
    """Return the knowledge that update sources and collected families make together.

    Args:
        source: which updates to leave out and to add.
        written: the library's update source, where there is one.
        compared: what was collected.
        describe: returns base classes and results of paths of the older release (`_shape.py`).
    """
    old, new = compared.old, compared.later[-1]
    dates = Dates(old, compared.later)
    by_hand = [*_patterns(source), *(_written(written, new, source.refine) if written else ())]
    canonical = canonical_paths(old, new, *_paths(by_hand))
    below = tuple(one.removesuffix("*") for one in source.skip if one.endswith(".*"))
    collected = [
        _canonical(update, canonical)
        for update in collected_updates(compared.families, dates)
        if not update.old_symbol.startswith(below)
    ]
    updates = list(_merged([*by_hand, *collected], source.skip))
    canonical = canonical_paths(old, new, *_paths(updates))
    return Knowledge(tuple(updates), shape_of(source.library, old, new, updates, canonical, describe))


def _request(source: KnowledgeSource) -> CollectRequest:
    return CollectRequest(
        source.library, source.old_version, source.new_version, None, source.old_requires, source.new_requires
    )


def sources_only(source: KnowledgeSource, written: UpdateSource | None) -> Knowledge:
    """Return the updates of the sources alone, for a library whose releases cannot be examined: there is no shape."""
    updates = [*_patterns(source), *(_written(written, None, source.refine) if written else ())]
    return Knowledge(tuple(_merged(updates, source.skip)))


def _milestone(request: CollectRequest, version: str, locks: Path | None) -> Api | None:
    """Walk a release in between, with the requirements of the newer release, or else those of the older one."""
    for requires in (request.new_requires, request.old_requires):
        try:
            return walk_release(replace(request, old=version, old_requires=requires), locks, "old")[1]
        except RecodeError:
            continue
    return None


def _written(
    source: UpdateSource, new: Api | None, refined: Mapping[Symbol, tuple[Symbol, ...]]
) -> Iterator[ApiUpdate]:
    """Yield the updates of an update source whose uses a program's syntax can show."""
    for update in source.update:
        path = update.old_symbol.path
        is_name = not update.old_symbol.is_call and update.old_symbol not in refined
        if update.kind in GONE and is_name and update.removed_in and _is_left(update, path, new):
            # The name still exists, so only one way of using it changed.
            continue
        record = _record(update, source.library, source.old_version, source.new_version)
        symbols = [update.old_symbol] if update.old_symbol in refined else narrowed(update, new)
        for symbol in (one for written in symbols for one in refined.get(written, (written,))):
            yield record.model_copy(update={"old_symbol": symbol}) if symbol != record.old_symbol else record


def _is_left(update: SourceUpdate, path: str, new: Api | None) -> bool:
    """Say whether the new release still has a name; without its names, whether the name is replaced by itself."""
    return new.has(path) if new is not None else update.new_symbol.path == path


def _patterns(source: KnowledgeSource) -> Iterator[ApiUpdate]:
    for update in source.update:
        yield _record(update, source.library, source.old_version, source.new_version)


def _record(update: SourceUpdate | Pattern, library: str, old_version: str, new_version: str) -> ApiUpdate:
    return ApiUpdate(
        family_id=update.id,
        library=library,
        old_version=old_version,
        new_version=new_version,
        deprecated_in=update.deprecated_in,
        removed_in=update.removed_in,
        kind=update.kind,
        old_symbol=update.old_symbol,
        new_symbol=update.new_symbol,
        description=update.description,
        update_info=update.update_info,
        evidence=update.evidence,
    )


def _canonical(update: ApiUpdate, canonical: dict[str, str]) -> ApiUpdate:
    """Return an update under the canonical path of its object, or of its class."""
    path = update.old_symbol.path
    owner, _, leaf = path.rpartition(".")
    # A name is removed under one path, while parameters and members belong to the object under all its paths.
    named = canonical.get(path) if update.old_symbol.is_call else None
    better = named or (f"{canonical[owner]}.{leaf}" if owner in canonical else path)
    if better == path:
        return update
    return update.model_copy(update={"old_symbol": Symbol(better + update.old_symbol.strip()[len(path) :])})


def _paths(updates: Sequence[ApiUpdate]) -> tuple[list[str], list[str]]:
    """Return the paths that updates are about, and those that lead to them: owners of members, callables of parameters."""
    about: list[str] = []
    leading: list[str] = []
    for update in updates:
        path = update.old_symbol.path
        is_call = update.old_symbol.is_call or update.kind in _PARAMETERS
        (leading if is_call else about).append(path)
        leading.append(path.rpartition(".")[0])
    return about, leading


def _merged(updates: Iterable[ApiUpdate], skip: Sequence[str]) -> Iterator[ApiUpdate]:
    """Yield each change once, from its first source."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for update in updates:
        symbol = update.old_symbol
        is_listed = update.old_symbol.is_call and update.kind != "keyword_only"
        key = (symbol.path, tuple(sorted(symbol.parameters)) if is_listed else ())
        kind = "values" if "=" in update.old_symbol else "keyword_only" if update.kind == "keyword_only" else ""
        full = (f"{key[0]}|{kind}|{update.old_symbol if kind == 'values' else ''}", key[1])
        if full in seen or update.old_symbol in skip or key[0] in skip:
            continue
        seen.add(full)
        yield update


@dataclass(frozen=True)
class LibraryBuilt:
    """The outcome for one library: the number of updates written, or the error and how it was handled.

    `updates` is None where the file was not written. `error` may come with updates: those of the sources alone.
    """

    library: str
    file: Path
    updates: int | None = None
    error: str = ""


def build_all(
    sources: Path,
    written: Path,
    out: Path,
    libraries: Sequence[str] = (),
    locks: Path | None = None,
    on_progress: Callable[[str, str], None] = lambda library, step: None,
) -> Iterator[LibraryBuilt]:
    """Write the knowledge of each library; yield each one's result when it is done.

    Where the releases of a library cannot be examined, an existing file is kept; a missing one is written from the sources alone.

    Args:
        sources: folder of `data/knowledge`.
        written: folder of `data/sources`; a library that is only there is compared with the releases it names.
        out: folder of the files.
        libraries: only these; empty: all.
        locks: folder of locks; None: one below `$RECODE_HOME`.
        on_progress: called with a library and a description of the current step.

    Raises:
        RecodeError: a folder does not exist, or a library is in neither.
    """
    for name in _selected(sources, written, libraries):
        file = out / f"{name}.jsonl"
        try:
            by_hand = _if_there(written / f"{name}.toml", read_file)
            source = _if_there(sources / f"{name}.toml", read_source) or _releases_only(by_hand)
            yield _build_library(source, by_hand, file, locks, functools.partial(on_progress, name))
        except RecordError as error:
            yield LibraryBuilt(name, file, error=str(error))


def _build_library(
    source: KnowledgeSource, by_hand: UpdateSource | None, file: Path, locks: Path | None, on_progress: Progress
) -> LibraryBuilt:
    """Write the knowledge of one library.

    Raises:
        RecordError: a source is wrong, or a file cannot be written.
    """
    failure = ""
    try:
        if source.library == PYTHON:
            from recode.knowledge.python import build_python

            knowledge = build_python(source, on_progress)
            write_knowledge(file, knowledge)
            return LibraryBuilt(source.library, file, len(knowledge.updates))
        knowledge = build_knowledge(source, by_hand, locks, on_progress)
        newest = walk_release(_request(source), locks, "new")[1]
        write_common(file.parent.parent / "common_members.txt", newest, _lost_members(knowledge))
    except RecordError:
        raise
    except RecodeError as error:
        if file.exists():
            return LibraryBuilt(source.library, file, error=f"{file} is kept as it is: {error}")
        failure = f"only the update sources are used: {error}"
        knowledge = sources_only(source, by_hand)
    write_knowledge(file, knowledge)
    return LibraryBuilt(source.library, file, len(knowledge.updates), failure)


def _selected(sources: Path, written: Path, libraries: Sequence[str]) -> list[str]:
    """Return the names of the given libraries; without any, all that the folders contain."""
    for folder in (sources, written):
        if not folder.is_dir():
            raise RecodeError(f"{folder}: no such folder; give those of the project with --sources and --written")
    known = {file.stem for folder in (sources, written) for file in folder.glob("*.toml")}
    if unknown := sorted(set(libraries) - known):
        raise RecodeError(
            f"{unknown[0]}: no library of {sources} or {written}; they hold: {', '.join(sorted(known)) or 'none'}"
        )
    if not known:
        raise RecodeError(
            f"{sources} and {written} hold no TOML file; give those of the project with --sources and --written"
        )
    return sorted(set(libraries) or known)


def _if_there(file: Path, read: Callable[[Path], SourceT]) -> SourceT | None:
    return read(file) if file.exists() else None


def _lost_members(knowledge: Knowledge) -> dict[str, frozenset[str]]:
    """Return class → the members that one of its base classes lost."""
    gone: dict[str, set[str]] = {}
    for update in knowledge.updates:
        owner, _, leaf = update.old_symbol.rpartition(".")
        if not update.old_symbol.is_call:
            gone.setdefault(owner, set()).add(leaf)
    classes = knowledge.shape.classes if knowledge.shape else {}
    return {path: frozenset().union(*(gone.get(base, set()) for base in bases)) for path, bases in classes.items()}


def _releases_only(by_hand: UpdateSource | None) -> KnowledgeSource:
    """Return the releases of an update source, as a source that adds and skips nothing."""
    assert by_hand is not None, "a library is in one of the folders"
    return KnowledgeSource(
        library=by_hand.library,
        old_version=by_hand.old_version,
        new_version=by_hand.new_version,
        old_requires=by_hand.old_requires,
        new_requires=by_hand.new_requires,
    )
