"""Differences and statements joined into update families.

A family is one change of one public name, or of parameters of one; a change that many callables of a module share is one family too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from recode.collect.join.drafts import PARAMETER_KINDS, Draft
from recode.collect.join.records import Confidence, ReleasePair, UpdateFamily, describe
from recode.collect.join.statements import Statement
from recode.collect.walk.differences import Difference
from recode.symbol import Symbol, is_path, written

__all__ = ["ALIKE", "Confidence", "ReleasePair", "UpdateFamily", "join"]

Key = tuple[str, tuple[str, ...]]
"""A path and the parameters of it that changed."""

ALIKE = 4
"""From this number of callables of one module that changed in the same way, the change is one family."""
_ORDER: dict[Confidence, int] = {"high": 0, "medium": 1, "low": 2}


def join(pair: ReleasePair, differences: Sequence[Difference], statements: Iterable[Statement]) -> list[UpdateFamily]:
    """Return the families, sorted by confidence (high first), kind and name."""
    drafts: dict[Key, Draft] = {}
    changed: dict[str, list[Key]] = defaultdict(list)
    for difference in differences:
        if not (is_path(difference.path) and (not difference.new_path or is_path(difference.new_path))):
            continue
        added = difference.new_parameters if difference.kind == "parameter_added" else ()
        key = difference.path, difference.parameters or added
        drafts.setdefault(key, Draft(*key)).add(difference)
        changed[difference.path].append(key)
    for statement in statements:
        if not is_path(statement.path):
            continue
        for key in _keys(statement, changed, drafts):
            drafts.setdefault(key, Draft(*key)).statements.append(statement)
    families = [family for draft in drafts.values() if (family := draft.finish(pair))]
    return sorted(_grouped(families), key=lambda one: (_ORDER[one.confidence], one.update.kind, one.update.old_symbol))


def _keys(statement: Statement, changed: dict[str, list[Key]], drafts: dict[Key, Draft]) -> list[Key]:
    """Return the drafts that a statement belongs to: those with its name and parameters."""
    candidates = changed.get(statement.path, [])
    if statement.verb == "keyword_only":
        # Such messages seldom name the parameters: the signatures do.
        narrowed = [key for key in candidates if (one := drafts[key].difference) and one.kind == "keyword_only"]
        if narrowed:
            return narrowed
    if not statement.parameters:
        return [(statement.path, ())]
    shared = [key for key in candidates if set(key[1]) & set(statement.parameters)]
    return shared or [(statement.path, statement.parameters)]


def _grouped(families: Sequence[UpdateFamily]) -> list[UpdateFamily]:
    """Make one family of a change that many callables of one module share, if no message or note is about one of them."""
    groups: dict[tuple[str, ...], list[UpdateFamily]] = defaultdict(list)
    for family in _by_callable(families):
        groups[_shared(family)].append(family)
    result: list[UpdateFamily] = []
    for key, group in groups.items():
        if len(group) < ALIKE or not key:
            result += group
            continue
        first = min(group, key=lambda one: one.update.old_symbol)
        others = tuple(sorted(one.update.old_symbol for one in group if one is not first))
        note = f"{first.update.update_info} The same holds for {len(others)} more, such as {', '.join(others[:3])}."
        update = first.update.model_copy(update={"update_info": note})
        result.append(first.model_copy(update={"also": others, "update": update}))
    return result


def _by_callable(families: Sequence[UpdateFamily]) -> list[UpdateFamily]:
    """Make one family of the parameters that a callable lost, if only the signatures show it."""
    groups: dict[str, list[UpdateFamily]] = defaultdict(list)
    result = []
    for family in families:
        if family.update.kind == "parameter_removed" and not family.update.new_symbol and _is_unexplained(family):
            groups[family.update.old_symbol.path].append(family)
        else:
            result.append(family)
    for path, group in groups.items():
        old = written(path, [name for family in group for name in family.update.old_symbol.parameters])
        note = describe("parameter_removed", old, Symbol())
        update = group[0].update.model_copy(update={"old_symbol": old, "description": note, "update_info": note})
        result.append(group[0].model_copy(update={"update": update}))
    return result


def _is_unexplained(family: UpdateFamily) -> bool:
    """Say whether signatures are the only evidence of a family."""
    return all(one.source == "signature" for one in family.update.evidence)


def _shared(family: UpdateFamily) -> tuple[str, ...]:
    """Return what families must share to be grouped; empty where a family is never grouped."""
    update = family.update
    if update.kind not in PARAMETER_KINDS or not _is_unexplained(family):
        return ()
    symbol = update.new_symbol if update.kind == "parameter_added" else update.old_symbol
    change = ", ".join(update.new_symbol.parameters)
    if update.kind == "default_changed":
        change = update.description.partition(": ")[2]
    return update.kind, symbol.parent, ", ".join(symbol.parameters), change
