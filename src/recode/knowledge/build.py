"""What is known of a library's releases, put together for `recode scan`: what `recode collect` finds, and the update sources.

The update sources come first: a person wrote them and they were run. Collected families are added where they say something new. Left out is what
cannot be told from a program's syntax: `numpy.sum` is deprecated for generators only, so most uses of it are right.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

from packaging.version import Version
from pydantic import Field, ValidationError
from rich.console import Console
from rich.status import Status

from recode.collect.collector import Asked, collect, series, walked
from recode.collect.join.families import Finding
from recode.collect.walk.public_api import Api, Member
from recode.dataset.sources import Text, Update, UpdateSource, read_file
from recode.errors import RecodeError, RecordError
from recode.knowledge.member_names import write_common
from recode.knowledge.model import Knowledge, write_knowledge
from recode.knowledge.narrowing import narrowed
from recode.knowledge.shape import canonical_paths, shape_of
from recode.records import ApiUpdate, Evidence, Kind, Record, first_fault
from recode.symbol import Symbol

_GONE = frozenset({"renamed", "moved", "replaced", "removed"})
_PARAMETERS = frozenset({"parameter_renamed", "parameter_removed", "keyword_only"})


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
    """One file of `data/knowledge`: which releases to compare, what to leave out and what to add."""

    library: Text
    old_version: Text
    new_version: Text
    old_requires: tuple[str, ...] = ()
    new_requires: tuple[str, ...] = ()
    milestones: tuple[str, ...] = ()
    """Releases in between that are walked too: they date what nothing else dates."""
    skip: tuple[str, ...] = ()
    """Symbols whose uses are mostly not concerned, or that are told better by a pattern here; with `.*`, all that was collected below."""
    refine: dict[Symbol, tuple[Symbol, ...]] = Field(default_factory=dict)
    """Symbols as they are written → the same, narrowed to the values that an update is about."""
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
    tell: Callable[[str], None] = lambda _: None,
) -> Knowledge:
    """Compare two releases of a library and return what scanning needs to know.

    Args:
        source: which library and releases; what to leave out and what to add.
        written: the library's update source, where there is one.
        locks: folder of locks; None: one below `$RECODE_HOME`.
        tell: called with what is being done.

    Raises:
        RecodeError: a release cannot be fetched, installed or imported.
    """
    asked = _asked(source)
    found = collect(asked, locks, tell)
    environment, old = walked(asked, locks, "old")
    _, new = walked(asked, locks, "new")
    tell("walking the releases in between")
    apis = [api for version in source.milestones if (api := _milestone(asked, version, locks)) is not None]
    dates = _Dates(old, [*apis, new])
    by_hand = [*_patterns(source), *(_written(written, new, source.refine) if written else ())]
    canonical = canonical_paths(old, new, *_paths(by_hand))
    below = tuple(one.removesuffix("*") for one in source.skip if one.endswith(".*"))
    collected = [
        _canonical(update, canonical)
        for update in _collected(found.findings, dates)
        if not update.old_symbol.startswith(below)
    ]
    updates = list(_merged([*by_hand, *collected], source.skip))
    canonical = canonical_paths(old, new, *_paths(updates))
    return Knowledge(tuple(updates), shape_of(source.library, (environment, old), new, updates, canonical))


def _asked(source: KnowledgeSource) -> Asked:
    return Asked(source.library, source.old_version, source.new_version, None, source.old_requires, source.new_requires)


def by_hand_only(source: KnowledgeSource, written: UpdateSource | None) -> Knowledge:
    """Return what people wrote, where the releases cannot be looked at: no other paths, no base classes, no positions."""
    updates = [*_patterns(source), *(_written(written, None, source.refine) if written else ())]
    return Knowledge(tuple(_merged(updates, source.skip)))


def _milestone(asked: Asked, version: str, locks: Path | None) -> Api | None:
    """Walk a release in between; it has the older release's further requirements or, where that fails, the newer one's."""
    for requires in (asked.new_requires, asked.old_requires):
        try:
            return walked(replace(asked, old=version, old_requires=requires), locks, "old")[1]
        except RecodeError:
            continue
    return None


class _Dates:
    """Says in which of the walked releases a path was first missing."""

    def __init__(self, old: Api, later: Sequence[Api]) -> None:
        self.old = old
        self.later = sorted(later, key=lambda api: Version(api.version))

    def gone(self, path: str) -> str:
        """Return the first release without a path that the older one has; empty where the newest has it still."""
        missing = ""
        for api in reversed(self.later):
            if api.has(path):
                break
            missing = series(api.version)
        return missing


def _written(
    source: UpdateSource, new: Api | None, refined: Mapping[Symbol, tuple[Symbol, ...]]
) -> Iterator[ApiUpdate]:
    """Yield the families of an update source whose uses syntax can tell."""
    for update in source.update:
        path = update.old_symbol.path
        is_name = not update.old_symbol.is_call and update.old_symbol not in refined
        if update.kind in _GONE and is_name and update.removed_in and _is_left(update, path, new):
            # The name is still there, so what changed is one way of using it.
            continue
        record = _record(update, source.library, source.old_version, source.new_version)
        symbols = [update.old_symbol] if update.old_symbol in refined else narrowed(update, new)
        for symbol in (one for written in symbols for one in refined.get(written, (written,))):
            yield record.model_copy(update={"old_symbol": symbol}) if symbol != record.old_symbol else record


def _is_left(update: Update, path: str, new: Api | None) -> bool:
    """Say whether a name is there still, as far as known: that it is replaced by itself tells it too."""
    return new.has(path) if new is not None else update.new_symbol.path == path


def _patterns(source: KnowledgeSource) -> Iterator[ApiUpdate]:
    for update in source.update:
        yield _record(update, source.library, source.old_version, source.new_version)


def _record(update: Update | Pattern, library: str, old_version: str, new_version: str) -> ApiUpdate:
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


def _collected(findings: Iterable[Finding], dates: _Dates) -> Iterator[ApiUpdate]:
    """Yield the collected families that a use can be told of, each of the names that changed alike by itself."""
    for finding in findings:
        update = finding.update
        path = update.old_symbol.path
        is_parameter = update.old_symbol.is_call
        if update.kind == "parameter_added" or (
            update.kind in ("default_changed", "return_changed") and finding.confidence == "low"
        ):
            continue
        if finding.confidence == "low" and update.kind in ("deprecated", "keyword_only"):
            continue
        if update.kind == "deprecated" and not is_parameter and not _says_so(update):
            continue
        if finding.confidence == "low" and _is_attribute(dates.old, path):
            # What a class lists no more may be set on its instances.
            continue
        if is_parameter and update.kind in ("parameter_removed", "parameter_renamed") and _takes_anything(dates, path):
            # The newer release's signature takes any keyword, so only what the library says counts.
            if not (update.removed_in or update.deprecated_in):
                continue
            update = update.model_copy(update={"kind": "parameter_removed", "new_symbol": Symbol()})
        for symbol in (update.old_symbol, *finding.also):
            one = update.model_copy(update={"old_symbol": symbol}) if symbol != update.old_symbol else update
            yield _dated(one, dates)


def _says_so(update: ApiUpdate) -> bool:
    """Say whether a quote has the name itself deprecated, rather than a way of using it."""
    leaf = re.escape(update.old_symbol.name)
    said = re.compile(
        rf"\b{leaf}\b\W{{0,4}}(?:\(\))?\W*(?:(?:alias|class|function|method|module|property)\s+)?"
        r"(?:is|are|was|has been|have been)\s+(?:now\s+)?deprecat",
        re.I,
    )
    return any(said.search(proof.quote) for proof in update.evidence)


def _is_attribute(api: Api, path: str) -> bool:
    found = api.find(path)
    return isinstance(found, Member) and found.kind != "method"


def _takes_anything(dates: _Dates, path: str) -> bool:
    found = dates.later[-1].find(path)
    return found is not None and any(one.kind == 4 for one in found.parameters or ())


def _dated(update: ApiUpdate, dates: _Dates) -> ApiUpdate:
    """Fill in since when a name is gone, where neither messages nor notes say: a walk saw it."""
    path = update.old_symbol.path
    if update.kind not in _GONE or update.old_symbol.is_call:
        return update
    seen = dates.gone(path)
    if not seen:
        return update.model_copy(update={"removed_in": ""}) if dates.later[-1].has(path) else update
    told = update.removed_in
    # A note may announce the removal for a release that a walk shows not to have done it, or done it before.
    return (
        update
        if told and Version(told) <= Version(dates.later[-1].version)
        else update.model_copy(update={"removed_in": seen})
    )


def _canonical(update: ApiUpdate, canonical: dict[str, str]) -> ApiUpdate:
    """Tell an update under the path that stands for its object, or for its class."""
    path = update.old_symbol.path
    owner, _, leaf = path.rpartition(".")
    # What happened to a name happened under that path; parameters and a class's members are the object's own.
    named = canonical.get(path) if update.old_symbol.is_call else None
    better = named or (f"{canonical[owner]}.{leaf}" if owner in canonical else path)
    if better == path:
        return update
    return update.model_copy(update={"old_symbol": Symbol(better + update.old_symbol.strip()[len(path) :])})


def _paths(updates: Sequence[ApiUpdate]) -> tuple[list[str], list[str]]:
    """Return the paths that updates are about, and those that they go by: owners of members, callables of parameters."""
    about: list[str] = []
    by: list[str] = []
    for update in updates:
        path = update.old_symbol.path
        is_call = update.old_symbol.is_call or update.kind in _PARAMETERS
        (by if is_call else about).append(path)
        by.append(path.rpartition(".")[0])
    return about, by


def _merged(updates: Iterable[ApiUpdate], skip: Sequence[str]) -> Iterator[ApiUpdate]:
    """Yield each change once: as its first source tells it."""
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


def build_all(
    sources: Path, written: Path, out: Path, libraries: Sequence[str] = (), locks: Path | None = None
) -> bool:
    """Write what is known of each library; return whether all could be looked at.

    Of a library that cannot be looked at, what is written by hand is told where no file is there; a file that is there is kept.

    Args:
        sources: folder of `data/knowledge`.
        written: folder of `data/sources`; a library that is only there is compared with its releases.
        out: where the files go.
        libraries: only these.
        locks: folder of locks; None: one below `$RECODE_HOME`.

    Raises:
        RecodeError: a folder does not exist, or a library is in neither.
    """
    errors = Console(stderr=True)
    failed = 0
    for name in _named(sources, written, libraries):
        file = out / f"{name}.jsonl"
        try:
            by_hand = _if_there(written / f"{name}.toml", read_file)
            source = _if_there(sources / f"{name}.toml", read_source) or _plain(by_hand)
            try:
                with Status(name, console=errors) as status:
                    knowledge = build_knowledge(source, by_hand, locks, status.update)
                    newest = walked(_asked(source), locks, "new")[1]
                    write_common(out.parent / "common_members.txt", newest, _lost(knowledge))
            except RecordError:
                raise
            except RecodeError as error:
                failed += 1
                told = f"{file} is kept as it is" if file.exists() else "only what is written by hand"
                errors.print(f"{name}: {told}: {error}", style="red", markup=False, soft_wrap=True)
                if file.exists():
                    continue
                knowledge = by_hand_only(source, by_hand)
            write_knowledge(file, knowledge)
            errors.print(f"{name}: {len(knowledge.updates)} updates", highlight=False)
        except RecordError as error:
            failed += 1
            errors.print(f"{name}: {error}", style="red", markup=False, soft_wrap=True)
    return not failed


def _named(sources: Path, written: Path, libraries: Sequence[str]) -> list[str]:
    """Return the names of the libraries asked for; all that the folders hold where none is."""
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


def _lost(knowledge: Knowledge) -> dict[str, frozenset[str]]:
    """Return classes → the members that one they derive from lost."""
    gone: dict[str, set[str]] = {}
    for update in knowledge.updates:
        owner, _, leaf = update.old_symbol.rpartition(".")
        if not update.old_symbol.is_call:
            gone.setdefault(owner, set()).add(leaf)
    classes = knowledge.shape.classes if knowledge.shape else {}
    return {path: frozenset().union(*(gone.get(base, set()) for base in bases)) for path, bases in classes.items()}


def _plain(by_hand: UpdateSource | None) -> KnowledgeSource:
    assert by_hand is not None, "a library is in one of the folders"
    return KnowledgeSource(
        library=by_hand.library,
        old_version=by_hand.old_version,
        new_version=by_hand.new_version,
        old_requires=by_hand.old_requires,
        new_requires=by_hand.new_requires,
    )
