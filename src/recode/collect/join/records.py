"""The record of an update family: its texts, releases and evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from packaging.version import InvalidVersion, Version

from recode.collect.join.statements import Statement
from recode.collect.walk.differences import Difference
from recode.collect.walk.public_api import Api
from recode.records import ApiUpdate, Evidence, Kind, Record
from recode.symbol import Symbol

Confidence = Literal["high", "medium", "low"]

_EVIDENCE = 4
"""Quotes of a family."""
_QUOTE = 500
"""Characters of a quote."""


class UpdateFamily(Record):
    """An update family as `recode collect` finds it; `also` are further names that changed in exactly the same way."""

    update: ApiUpdate
    confidence: Confidence
    also: tuple[Symbol, ...] = ()


@dataclass(frozen=True)
class ReleasePair:
    """The two releases of a library that are compared."""

    library: str
    old: Api
    new: Api


@dataclass
class Resolution:
    """What was decided about a family, and what it rests on; `best` is the statement that is quoted first."""

    symbol: Symbol
    kind: Kind
    new: Symbol
    confidence: Confidence
    best: Statement | None
    statements: Sequence[Statement]
    difference: Difference | None = None


def family_record(resolution: Resolution, pair: ReleasePair) -> UpdateFamily:
    """Return the record of a family."""
    kind, new, difference, best = resolution.kind, resolution.new, resolution.difference, resolution.best
    old = Symbol(resolution.symbol.path) if kind == "parameter_added" else resolution.symbol
    evidence = _evidence(resolution.statements, best)
    if difference is not None:
        evidence.append(_signature(difference, pair))
    description = describe(kind, old, new, difference.detail if difference else "")
    removed_in = _earliest(one.removed_in for one in resolution.statements) if kind != "deprecated" else ""
    update = ApiUpdate(
        family_id=_family_id(pair.library, pair.old.package, old, kind), library=pair.library, old_version=pair.old.version,
        new_version=pair.new.version, deprecated_in=_earliest(one.deprecated_in for one in resolution.statements),
        removed_in=removed_in, kind=kind, old_symbol=old, new_symbol=new, description=description,
        update_info=f"{description} The library says: {best.evidence.quote[:_QUOTE]}" if best else description,
        evidence=tuple(evidence),
    )  # fmt: skip
    return UpdateFamily(update=update, confidence=resolution.confidence)


def _family_id(library: str, package: str, old: Symbol, kind: Kind) -> str:
    short = old.removeprefix(f"{package}.")
    return re.sub(r"[^\w.]+", "-", f"{library}-{short}-{kind}").strip("-")


def _evidence(statements: Sequence[Statement], best: Statement | None) -> list[Evidence]:
    """Return the quotes, each once, the best statement's first."""
    found: dict[str, Evidence] = {}
    for statement in [*([best] if best else []), *statements]:
        found.setdefault(statement.evidence.quote, statement.evidence)
    return [one.model_copy(update={"quote": one.quote[:_QUOTE]}) for one in found.values()][:_EVIDENCE]


def _signature(difference: Difference, pair: ReleasePair) -> Evidence:
    """Quote the old signature; where an object does not know its file, give that of the module that contains it."""
    modules, definition = pair.old.modules, difference.definition
    module = difference.path
    while module and module not in modules:
        module = module.rpartition(".")[0]
    file = definition.file or modules.get(module) or pair.old.package
    return Evidence(
        source="signature",
        package_version=pair.old.version,
        file=file,
        line=max(definition.line, 1),
        quote=difference.quote[:_QUOTE],
    )


def _earliest(versions: Iterable[str]) -> str:
    known = []
    for version in versions:
        try:
            known.append((Version(version), version))
        except InvalidVersion:
            continue
    return min(known)[1] if known else ""


def describe(kind: Kind, old: Symbol, new: Symbol, detail: str = "") -> str:
    """Return one sentence about a change; `detail` says how a default or a position changed."""
    match kind:
        case "renamed":
            return f"{old} has a new name, {new}."
        case "moved":
            return f"{old} moved to {new}."
        case "replaced":
            return f"{old} was removed; {new} takes its place."
        case "removed":
            return f"{old} was removed."
        case "parameter_renamed":
            return f"{old} is now {new}."
        case "parameter_removed":
            return f"{old} was removed" + (f"; {new} takes its place." if new else ".")
        case "parameter_added":
            return f"{old} takes a further parameter: {new}."
        case "keyword_only":
            return f"{old}: {detail}." if detail else f"{old} can be given by keyword only."
        case "default_changed":
            return f"The default of {old} changed" + (f": {detail}." if detail else ".")
        case "return_changed":
            return f"What {old} returns changed."
        case _:
            return f"{old} is deprecated" + (f"; use {new}." if new else ".")
