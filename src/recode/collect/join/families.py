"""Differences, messages and notes joined into update families, each with its evidence and how sure it is.

A family is one change of one public name, or of parameters of one. What the walks differ in is certain but mute; what
messages and notes claim says why, and what to use instead. Joins can be wrong, so each family says how it was found: `high`
where the releases differ and a message of the library says the same, `medium` where a note does or a message alone, `low`
for a difference alone, and for a note alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from packaging.version import InvalidVersion, Version

from recode.collect.join.statements import Claim, parameters_of
from recode.collect.walk.differences import KEYWORD_ONLY, Difference
from recode.collect.walk.public_api import Api
from recode.records import ApiUpdate, Evidence, Kind, Record
from recode.symbol import Symbol, written

Confidence = Literal["high", "medium", "low"]
Key = tuple[str, tuple[str, ...]]

ALIKE = 4
"""From so many callables of one module on that changed in the same way, the change is one family."""
_PARAMETER_KINDS = frozenset(
    {"parameter_renamed", "parameter_removed", "parameter_added", "keyword_only", "default_changed"}
)
_EVIDENCE = 4
_QUOTE = 500


class Finding(Record):
    """An update family as `recode collect` finds it. `also` are further names that changed in exactly the same way."""

    update: ApiUpdate
    confidence: Confidence
    also: tuple[Symbol, ...] = ()


@dataclass
class _Family:
    """What is known of one change while it is put together."""

    path: str
    parameters: tuple[str, ...]
    difference: Difference | None = None
    claims: list[Claim] = field(default_factory=list)


@dataclass(frozen=True)
class Pair:
    """The two releases that are compared."""

    library: str
    old: Api
    new: Api


def join(pair: Pair, found: Sequence[Difference], claims: Iterable[Claim]) -> list[Finding]:
    """Return the families, the surest first, then by name."""
    families: dict[Key, _Family] = {}
    changed: dict[str, list[Key]] = defaultdict(list)
    for difference in found:
        key = _key(difference)
        family = families.setdefault(key, _Family(difference.path, key[1]))
        family.difference = _better(family.difference, difference)
        changed[difference.path].append(key)
    for claim in claims:
        for key in _keys(claim, changed, families):
            families.setdefault(key, _Family(*key)).claims.append(claim)
    made = [finding for family in families.values() if (finding := _finding(family, pair))]
    order = {"high": 0, "medium": 1, "low": 2}
    return sorted(_gathered(made), key=lambda one: (order[one.confidence], one.update.kind, one.update.old_symbol))


def _key(difference: Difference) -> Key:
    return difference.path, difference.parameters or (
        difference.new_parameters if difference.kind == "parameter_added" else ()
    )


def _better(one: Difference | None, two: Difference) -> Difference:
    """Of two differences of one parameter, a change of its place says more than one of its default."""
    if one is None or (one.kind == "default_changed" and two.kind != "default_changed"):
        return two
    return one


def _keys(claim: Claim, changed: dict[str, list[Key]], families: dict[Key, _Family]) -> list[Key]:
    """Return the families that a claim belongs to: those whose name and parameters it is about."""
    mine = changed.get(claim.path, [])
    if claim.verb == "keyword_only":
        # Such messages seldom name the parameters: the walks do.
        narrowed = [key for key in mine if (one := families[key].difference) and one.kind == "keyword_only"]
        if narrowed:
            return narrowed
    if not claim.parameters:
        return [(claim.path, ())]
    about = [key for key in mine if set(key[1]) & set(claim.parameters)]
    return about or [(claim.path, claim.parameters)]


# --- one family ---


def _finding(family: _Family, pair: Pair) -> Finding | None:
    """Put a family together; None where nothing of it is sure enough to tell."""
    difference, claims = family.difference, family.claims
    claims = [claim for claim in claims if _fits(claim, family, pair)]
    if difference is None:
        return _from_claims(family, claims, pair) if claims else None
    if not claims and (not difference.certain or _is_harmless(difference)):
        return None
    if difference.kind == "default_changed" and claims and all(claim.verb == "deprecated" for claim in claims):
        # The default became a mark for "not given": the parameter is deprecated, its default is no news.
        return _from_claims(family, claims, pair)
    best = _best(claims)
    kind, new = _kind_and_new(difference, best, pair)
    return _made(family, kind, new, claims, best, _confidence(difference, claims), pair)


def _is_harmless(difference: Difference) -> bool:
    """Say whether nobody's program breaks: an optional parameter more."""
    return difference.kind == "parameter_added" and difference.detail.startswith("optional")


def _fits(claim: Claim, family: _Family, pair: Pair) -> bool:
    """Say whether a claim can be about this change: what still stands was not removed, what is gone is not just deprecated in B."""
    if family.difference is not None:
        gone = family.difference.kind in ("removed", "moved", "renamed", "parameter_removed", "parameter_renamed")
        return not (claim.verb in ("return_changed", "default_changed") and gone)
    stands = pair.new.has(family.path)
    if claim.verb in ("removed", "renamed", "moved") and claim.source != "probe":
        known = parameters_of(pair.new, family.path)
        if family.parameters:
            return stands and not set(family.parameters) & set(known)
        return not stands
    return True


def _from_claims(family: _Family, claims: Sequence[Claim], pair: Pair) -> Finding | None:
    """Put together a family in which the walks do not differ: deprecations, and changes of what a call returns."""
    deprecated = [claim for claim in claims if claim.verb == "deprecated" and _is_news(claim, pair)]
    by_note = [claim for claim in claims if claim.source == "note" and claim.verb != "deprecated" and claim.tight]
    probed = [claim for claim in claims if claim.source == "probe" and claim.verb == "removed"]
    if probed:
        best = _best(probed)
        return _made(family, *_gone(family, best, pair), probed, best, "high", pair)
    if deprecated:
        if not pair.new.has(family.path):
            return None
        best = _best(deprecated)
        sure: Confidence = "medium" if any(claim.present for claim in deprecated) else "low"
        return _made(family, "deprecated", _new_symbol(best, family), deprecated, best, sure, pair)
    if finding := _narrowed(family, claims, pair):
        return finding
    if not by_note or not pair.new.has(family.path):
        return None
    best = _best(by_note)
    assert best is not None
    kinds: dict[str, Kind] = {
        "return_changed": "return_changed", "default_changed": "default_changed", "keyword_only": "keyword_only",
        "removed": "parameter_removed", "renamed": "parameter_renamed",
    }  # fmt: skip
    kind = kinds.get(best.verb)
    if kind is None or (kind in _PARAMETER_KINDS and not family.parameters):
        return None
    new = (
        written(family.path, family.parameters)
        if kind in ("default_changed", "keyword_only")
        else _new_symbol(best, family)
    )
    return _made(family, kind, Symbol(family.path) if kind == "return_changed" else new, by_note, best, "low", pair)


def _narrowed(family: _Family, claims: Sequence[Claim], pair: Pair) -> Finding | None:
    """Return the family of a callable that no longer warns of arguments given by position, because it no longer takes them so."""
    spoken = [
        claim for claim in claims if claim.verb == "keyword_only" and claim.source == "message" and not claim.present
    ]
    found = pair.new.find(family.path)
    before = parameters_of(pair.old, family.path)
    only = tuple(
        one.name
        for one in (found.parameters if found else None) or ()
        if one.kind == KEYWORD_ONLY and one.name in before
    )
    if not spoken or not only:
        return None
    told = _Family(family.path, only)
    return _made(told, "keyword_only", written(family.path, only), spoken, _best(spoken), "medium", pair)


def _is_news(claim: Claim, pair: Pair) -> bool:
    """Say whether a deprecation holds in the new release and is younger than the old one."""
    if claim.source == "note":
        return claim.tight
    return claim.present and not claim.older and not _is_before(claim.deprecated_in, pair.old.version)


def _is_before(version: str, other: str) -> bool:
    try:
        return Version(version) <= Version(other)
    except InvalidVersion:
        return False


def _best(claims: Sequence[Claim]) -> Claim | None:
    """Return the claim that says most: one that names what to use instead, found in the new release; messages before notes."""
    order = {"probe": 0, "message": 1, "note": 2}
    return min(
        claims,
        key=lambda claim: (
            not (claim.new_path or claim.new_parameters),
            not claim.resolved,
            order[claim.source],
            not claim.tight,
        ),
        default=None,
    )


def _kind_and_new(difference: Difference, best: Claim | None, pair: Pair) -> tuple[Kind, Symbol]:
    """Return the kind of a difference and what takes the old name's place, after what the best claim says."""
    path = difference.path
    told = best is not None and bool(best.new_path or best.new_parameters)
    if difference.kind in ("removed", "moved", "renamed"):
        if best is not None and told and (difference.kind == "removed" or best.new_path != difference.new_path):
            return _gone(_Family(path, ()), best, pair)
        if best is not None and best.source == "probe" and not told and difference.kind == "moved":
            # The library speaks of a removal; that some other module has the same name is chance.
            return "removed", Symbol()
        return difference.kind, Symbol(difference.new_path)
    if difference.kind == "parameter_removed" and told and best is not None:
        if best.new_parameters and best.new_path == path:
            return "parameter_renamed", written(path, best.new_parameters)
        return "parameter_removed", written(best.new_path, best.new_parameters)
    if difference.kind == "parameter_removed":
        return "parameter_removed", Symbol()
    return difference.kind, written(path, difference.new_parameters)


def _gone(family: _Family, best: Claim | None, pair: Pair) -> tuple[Kind, Symbol]:
    """Return the kind of a name that is gone, by what the best claim says to use instead."""
    if best is None or not best.new_path:
        return "removed", Symbol()
    new = written(best.new_path, best.new_parameters)
    if best.new_parameters or not best.resolved:
        return "replaced", new
    if best.new_path.rpartition(".")[2] == family.path.rpartition(".")[2]:
        return "moved", new
    same = parameters_of(pair.old, family.path) == parameters_of(pair.new, best.new_path)
    said = best.verb == "renamed" or re.search(r"renam|alias", best.evidence.quote, re.I) is not None
    return ("renamed" if same or said else "replaced"), new


def _new_symbol(best: Claim | None, family: _Family) -> Symbol:
    if best is None:
        return Symbol()
    return written(best.new_path, best.new_parameters)


def _confidence(difference: Difference, claims: Sequence[Claim]) -> Confidence:
    messages = [claim for claim in claims if claim.source != "note"]
    if messages and difference.certain:
        return "high"
    if claims:
        return "medium"
    alias = difference.kind == "renamed" or (difference.kind == "parameter_renamed" and difference.certain)
    return "medium" if alias else "low"


# --- the record ---


def _made(
    family: _Family,
    kind: Kind,
    new: Symbol,
    claims: Sequence[Claim],
    best: Claim | None,
    confidence: Confidence,
    pair: Pair,
) -> Finding:
    """Write the record of a family."""
    difference = family.difference
    old = written(family.path, () if kind == "parameter_added" else family.parameters)
    evidence = _evidence(claims, best)
    if difference is not None:
        evidence.append(_signature(difference, pair))
    since = _releases(claims)
    update = ApiUpdate(
        family_id=_family_id(pair.library, pair.old.package, old, kind), library=pair.library, old_version=pair.old.version,
        new_version=pair.new.version, deprecated_in=since[0], removed_in=since[1] if kind != "deprecated" else "",
        kind=kind, old_symbol=old, new_symbol=new, description=_description(kind, old, new, difference),
        update_info=_information(kind, old, new, difference, best), evidence=tuple(evidence),
    )  # fmt: skip
    return Finding(update=update, confidence=confidence)


def _family_id(library: str, package: str, old: str, kind: Kind) -> str:
    short = old.removeprefix(f"{package}.")
    return re.sub(r"[^\w.]+", "-", f"{library}-{short}-{kind}").strip("-")


def _evidence(claims: Sequence[Claim], best: Claim | None) -> list[Evidence]:
    """Return the quotes, the best claim's first, none twice."""
    found: dict[str, Evidence] = {}
    for claim in [*([best] if best else []), *claims]:
        found.setdefault(claim.evidence.quote, claim.evidence)
    return [one.model_copy(update={"quote": one.quote[:_QUOTE]}) for one in found.values()][:_EVIDENCE]


def _signature(difference: Difference, pair: Pair) -> Evidence:
    """Quote the old signature; where the object does not say its file, the module's that shows it."""
    modules, place = pair.old.modules, difference.place
    shown = difference.path
    while shown and shown not in modules:
        shown = shown.rpartition(".")[0]
    file = place.file or modules.get(shown) or pair.old.package
    return Evidence(
        source="signature",
        package_version=pair.old.version,
        file=file,
        line=max(place.line, 1),
        quote=difference.quote[:_QUOTE],
    )


def _releases(claims: Sequence[Claim]) -> tuple[str, str]:
    """Return the releases of the deprecation and of the removal: the earliest that a claim names."""
    return _earliest(claim.deprecated_in for claim in claims), _earliest(claim.removed_in for claim in claims)


def _earliest(versions: Iterable[str]) -> str:
    known = []
    for version in versions:
        try:
            known.append((Version(version), version))
        except InvalidVersion:
            continue
    return min(known)[1] if known else ""


def _description(kind: Kind, old: str, new: str, difference: Difference | None) -> str:
    """Say in one sentence what changed."""
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
            return f"{old} can be given by keyword only."
        case "default_changed":
            return f"The default of {old} changed" + (
                f": {difference.detail}." if difference and difference.detail else "."
            )
        case "return_changed":
            return f"What {old} returns changed."
        case _:
            return f"{old} is deprecated" + (f"; use {new}." if new else ".")


def _information(kind: Kind, old: str, new: str, difference: Difference | None, best: Claim | None) -> str:
    """Return the note: what changed, and the library's own words for it."""
    said = _description(kind, old, new, difference)
    return f"{said} The library says: {best.evidence.quote[:_QUOTE]}" if best else said


# --- many families ---


def _gathered(findings: Sequence[Finding]) -> list[Finding]:
    """Make one family of a change that many callables of one module share and that no message or note tells apart."""
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for one in _per_callable(findings):
        groups[_shared(one)].append(one)
    result: list[Finding] = []
    for key, group in groups.items():
        if len(group) < ALIKE or not key:
            result += group
            continue
        first = min(group, key=lambda one: one.update.old_symbol)
        others = tuple(sorted(one.update.old_symbol for one in group if one is not first))
        told = f"{first.update.update_info} The same holds for {len(others)} more, such as {', '.join(others[:3])}."
        update = first.update.model_copy(update={"update_info": told})
        result.append(first.model_copy(update={"also": others, "update": update}))
    return result


def _per_callable(findings: Sequence[Finding]) -> list[Finding]:
    """Tell parameters that one callable lost together, and of which nothing more is known, as one family."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    result = []
    for one in findings:
        if one.update.kind == "parameter_removed" and not one.update.new_symbol and _is_mute(one):
            groups[one.update.old_symbol.path].append(one)
        else:
            result.append(one)
    for path, group in groups.items():
        names = [name for one in group for name in one.update.old_symbol.parameters]
        old = written(path, names)
        told = _description("parameter_removed", old, "", None)
        update = group[0].update.model_copy(update={"old_symbol": old, "description": told, "update_info": told})
        result.append(group[0].model_copy(update={"update": update}))
    return result


def _is_mute(finding: Finding) -> bool:
    """Say whether nothing but the walks tells of a family."""
    return all(one.source == "signature" for one in finding.update.evidence)


def _shared(finding: Finding) -> tuple[str, ...]:
    """Return what families must share to be one; empty where a family stands for itself."""
    update = finding.update
    if update.kind not in _PARAMETER_KINDS or not _is_mute(finding):
        return ()
    path, _, parameters = (update.old_symbol if update.kind != "parameter_added" else update.new_symbol).partition("(")
    changed = (
        update.description.partition(": ")[2]
        if update.kind == "default_changed"
        else update.new_symbol.partition("(")[2]
    )
    return update.kind, path.rpartition(".")[0], parameters, changed
