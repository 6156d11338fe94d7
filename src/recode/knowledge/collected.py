"""Collected update families as knowledge: those that a program's syntax can show, dated by the releases that were walked."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence

from packaging.version import Version

from recode.collect.collector import series
from recode.collect.join.families import UpdateFamily
from recode.collect.walk.public_api import Api, Member, ParameterKind
from recode.knowledge.versions import release
from recode.records import ApiUpdate
from recode.symbol import Symbol

GONE = frozenset({"renamed", "moved", "replaced", "removed"})


class Given(enum.Enum):
    """How parameters are given."""

    BY_POSITION = enum.auto()
    FIRST = enum.auto()
    """By position, before all others."""


class Dates:
    """Finds the first of the walked releases that lacks a path."""

    def __init__(self, old: Api, later: Sequence[Api]) -> None:
        self.old = old
        self.later = sorted(later, key=lambda api: Version(api.version))

    def gone(self, path: str, parameters: Sequence[str] = (), given: Given | None = None) -> tuple[str, str]:
        """Return the last release that has a path (or all of its parameters), and the minor series of the first without it.

        The second is empty where the newest release still has it, or where signatures do not say.

        Args:
            path: of a name, or of a callable.
            parameters: of the callable; empty: the name itself is looked for.
            given: how the parameters have to be taken.
        """
        missing = ""
        for api in reversed([self.old, *self.later]):
            has = api.has(path) and _takes(api, path, parameters, given)
            if has is None:
                return "", ""
            if has:
                return api.version, missing
            missing = series(api.version)
        return "", missing


def _takes(api: Api, path: str, parameters: Sequence[str], given: Given | None) -> bool | None:
    """Say whether a callable takes all of the parameters in a way; None where its signature is unknown."""
    if not parameters:
        return True
    found = api.find(path)
    if found is None or found.parameters is None:
        return None
    positional = [one.name for one in found.parameters if one.kind.is_positional]
    match given:
        case Given.FIRST:
            return positional[: len(parameters)] == list(parameters)
        case Given.BY_POSITION:
            return set(positional).issuperset(parameters)
    return {one.name for one in found.parameters}.issuperset(parameters)


def collected_updates(families: Iterable[UpdateFamily], dates: Dates) -> Iterator[ApiUpdate]:
    """Yield the collected updates whose uses a program's syntax can show; names that changed alike become updates of their own."""
    for family in families:
        update = family.update
        path = update.old_symbol.path
        is_parameter = update.old_symbol.is_call
        if update.kind == "parameter_added" or (
            update.kind in ("default_changed", "return_changed") and family.confidence == "low"
        ):
            continue
        if family.confidence == "low" and update.kind in ("deprecated", "keyword_only"):
            continue
        if update.kind == "deprecated" and not is_parameter and not _says_so(update):
            continue
        if family.confidence == "low" and _is_attribute(dates.old, path):
            # An attribute that the class no longer lists may still be set on its instances.
            continue
        if is_parameter and update.kind in ("parameter_removed", "parameter_renamed") and _takes_anything(dates, path):
            # The new signature takes any keyword, so only what the library says counts.
            if not (update.removed_in or update.deprecated_in):
                continue
            update = update.model_copy(update={"kind": "parameter_removed", "new_symbol": Symbol()})
        for symbol in (update.old_symbol, *family.also):
            one = update.model_copy(update={"old_symbol": symbol}) if symbol != update.old_symbol else update
            yield _dated(one, dates)


def _says_so(update: ApiUpdate) -> bool:
    """Say whether a quote says that the name itself is deprecated, rather than one way of using it."""
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


def _takes_anything(dates: Dates, path: str) -> bool:
    found = dates.later[-1].find(path)
    return found is not None and any(one.kind is ParameterKind.VARIADIC_KEYWORD for one in found.parameters or ())


def _dated(update: ApiUpdate, dates: Dates) -> ApiUpdate:
    """Fill in, from the walks, the release that removed a name or a parameter."""
    symbol = update.old_symbol
    if symbol.is_call:
        if update.removed_in or update.kind not in ("parameter_removed", "parameter_renamed", "keyword_only"):
            return update
        if not symbol.keywords or symbol.has_values:
            return update
        given = None
        if update.kind == "keyword_only":
            # Where they can still be given by position, another parameter precedes them now.
            later = _takes(dates.later[-1], symbol.path, symbol.keywords, Given.BY_POSITION)
            given = Given.FIRST if later else Given.BY_POSITION
        return update.model_copy(update={"removed_in": dates.gone(symbol.path, symbol.keywords, given)[1]})
    if update.kind not in GONE:
        return update
    last, seen = dates.gone(symbol.path)
    if not seen:
        return update.model_copy(update={"removed_in": ""}) if dates.later[-1].has(symbol.path) else update
    announced = release(update.removed_in)
    # An announcement may be more exact than the releases that were walked; where they contradict it, it was not kept.
    kept = announced is not None and (not last or announced > Version(last)) and announced <= Version(seen)
    return update if kept else update.model_copy(update={"removed_in": seen})
