"""One update family in the making: its difference and statements, and what they say about its kind and its confidence.

A difference between the releases is certain but gives no reason. Statements say why, and what to use instead, but can be joined to the
wrong name. The confidence follows from both: `high` where the releases differ and a message of the library agrees, `medium` where a note
agrees or for a message alone, `low` for a difference alone and for a note alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from recode.collect.join.lookup import parameters_of
from recode.collect.join.records import Confidence, ReleasePair, Resolution, UpdateFamily, family_record
from recode.collect.join.statements import Origin, Statement
from recode.collect.walk.differences import Difference
from recode.collect.walk.public_api import ParameterKind
from recode.records import Kind
from recode.symbol import Symbol, written

PARAMETER_KINDS = frozenset(
    {"parameter_renamed", "parameter_removed", "parameter_added", "keyword_only", "default_changed"}
)
"""Kinds of updates that are about parameters."""
_GONE = frozenset({"removed", "moved", "renamed"})
_KINDS_OF_NOTES: dict[str, Kind] = {
    "return_changed": "return_changed", "default_changed": "default_changed", "keyword_only": "keyword_only",
    "removed": "parameter_removed", "renamed": "parameter_renamed",
}  # fmt: skip
"""Verb of a note → kind of the update, where the two releases show no difference."""


@dataclass
class Draft:
    """A change of one public name, or of parameters of it, while it is put together."""

    path: str
    parameters: tuple[str, ...]
    difference: Difference | None = None
    statements: list[Statement] = field(default_factory=list)

    @property
    def symbol(self) -> Symbol:
        """The name and its parameters in the notation."""
        return written(self.path, self.parameters)

    def add(self, difference: Difference) -> None:
        """Take a difference; of two for one parameter, a change of its position says more than one of its default."""
        if self.difference is None or (
            self.difference.kind == "default_changed" and difference.kind != "default_changed"
        ):
            self.difference = difference

    def finish(self, pair: ReleasePair) -> UpdateFamily | None:
        """Return the family; None where its evidence is too weak to report it."""
        statements = [one for one in self.statements if _fits(one, self, pair)]
        difference = self.difference
        if difference is None:
            return _without_difference(self, statements, pair) if statements else None
        if not statements and (not difference.certain or difference.is_optional):
            return None
        if difference.kind == "default_changed" and statements and all(one.verb == "deprecated" for one in statements):
            # The new default only marks "not given": the deprecation of the parameter is the change.
            return _without_difference(self, statements, pair)
        best = _best(statements)
        kind, new = _kind_and_new(difference, best, pair)
        confidence = _confidence(difference, statements)
        return family_record(Resolution(self.symbol, kind, new, confidence, best, statements, difference), pair)


def _fits(statement: Statement, draft: Draft, pair: ReleasePair) -> bool:
    """Say whether a statement agrees with the two releases: what still exists was not removed, and the reverse."""
    if draft.difference is not None:
        is_gone = draft.difference.kind in (*_GONE, "parameter_removed", "parameter_renamed")
        return not (statement.verb in ("return_changed", "default_changed") and is_gone)
    if statement.verb not in _GONE or statement.origin is Origin.PROBE:
        return True
    exists = pair.new.has(draft.path)
    if draft.parameters:
        return exists and not set(draft.parameters) & set(parameters_of(pair.new, draft.path))
    return not exists


def _best(statements: Sequence[Statement]) -> Statement | None:
    """Return the most informative statement: one whose replacement is in the new release comes first, notes come last."""
    order = {Origin.PROBE: 0, Origin.MESSAGE: 1, Origin.NOTE: 2}
    return min(
        statements,
        key=lambda one: (not one.replacement, not one.replacement.resolved, order[one.origin], not one.explicit),
        default=None,
    )


def _confidence(difference: Difference, statements: Sequence[Statement]) -> Confidence:
    if difference.certain and any(one.origin is not Origin.NOTE for one in statements):
        return "high"
    if statements:
        return "medium"
    if difference.is_shifted:
        return "medium"
    is_alias = difference.kind == "renamed" or (difference.kind == "parameter_renamed" and difference.certain)
    return "medium" if is_alias else "low"


# --- the releases differ ---


def _kind_and_new(difference: Difference, best: Statement | None, pair: ReleasePair) -> tuple[Kind, Symbol]:
    """Return the kind of a difference and the new symbol, corrected by the best statement."""
    if difference.kind in _GONE:
        return _of_a_name(difference, best, pair)
    if difference.kind == "parameter_removed":
        return _of_a_removed_parameter(difference, best)
    return difference.kind, written(difference.path, difference.new_parameters)


def _of_a_name(difference: Difference, best: Statement | None, pair: ReleasePair) -> tuple[Kind, Symbol]:
    if best is not None and best.replacement:
        if difference.kind == "removed" or best.replacement.path != difference.new_path:
            return _gone(difference.path, best, pair)
    elif best is not None and best.origin is Origin.PROBE and difference.kind == "moved":
        # The library reports a removal; that another module has the same name is a coincidence.
        return "removed", Symbol()
    return difference.kind, Symbol(difference.new_path)


def _of_a_removed_parameter(difference: Difference, best: Statement | None) -> tuple[Kind, Symbol]:
    if best is None or not best.replacement:
        return "parameter_removed", Symbol()
    new = best.replacement
    is_renamed = bool(new.parameters) and new.path == difference.path
    return "parameter_renamed" if is_renamed else "parameter_removed", written(new.path, new.parameters)


def _gone(path: str, best: Statement | None, pair: ReleasePair) -> tuple[Kind, Symbol]:
    """Return the kind of a name that is gone, and the new symbol, by what the best statement says to use instead."""
    if best is None or not best.replacement.path:
        return "removed", Symbol()
    replacement = best.replacement
    new = written(replacement.path, replacement.parameters)
    if replacement.parameters or not replacement.resolved:
        return "replaced", new
    if replacement.path.rpartition(".")[2] == path.rpartition(".")[2]:
        return "moved", new
    same_signature = parameters_of(pair.old, path) == parameters_of(pair.new, replacement.path)
    says_so = best.verb == "renamed" or re.search(r"renam|alias", best.evidence.quote, re.I) is not None
    return ("renamed" if same_signature or says_so else "replaced"), new


# --- the releases do not differ ---


def _without_difference(draft: Draft, statements: Sequence[Statement], pair: ReleasePair) -> UpdateFamily | None:
    """Put together a family from statements alone: deprecations, removals that only running shows, changes of return values."""
    if probed := [one for one in statements if one.origin is Origin.PROBE and one.verb == "removed"]:
        best = _best(probed)
        kind, new = _gone(draft.path, best, pair)
        return _record(draft, Resolution(draft.symbol, kind, new, "high", best, probed), pair)
    if deprecated := [one for one in statements if one.verb == "deprecated" and _is_news(one, pair)]:
        return _deprecated(draft, deprecated, pair)
    return _narrowed(draft, statements, pair) or _by_notes(draft, statements, pair)


def _deprecated(draft: Draft, deprecated: Sequence[Statement], pair: ReleasePair) -> UpdateFamily | None:
    if not pair.new.has(draft.path):
        return None
    best = _best(deprecated)
    confidence: Confidence = "medium" if any(one.in_new for one in deprecated) else "low"
    return _record(draft, Resolution(draft.symbol, "deprecated", _new_symbol(best), confidence, best, deprecated), pair)


def _narrowed(draft: Draft, statements: Sequence[Statement], pair: ReleasePair) -> UpdateFamily | None:
    """Return the family of a callable that used to warn of arguments given by position, and no longer takes them so."""
    messages = [
        one
        for one in statements
        if one.verb == "keyword_only" and one.origin is Origin.MESSAGE and not one.in_new
    ]  # fmt: skip
    before = parameters_of(pair.old, draft.path)
    found = pair.new.find(draft.path)
    only = tuple(
        one.name
        for one in (found.parameters if found else None) or ()
        if one.kind is ParameterKind.KEYWORD_ONLY and one.name in before
    )
    if not messages or not only:
        return None
    symbol = written(draft.path, only)
    return family_record(Resolution(symbol, "keyword_only", symbol, "medium", _best(messages), messages), pair)


def _by_notes(draft: Draft, statements: Sequence[Statement], pair: ReleasePair) -> UpdateFamily | None:
    """Return the family of a change that only the release notes show."""
    notes = [one for one in statements if one.origin is Origin.NOTE and one.verb != "deprecated" and one.explicit]
    best = _best(notes)
    if best is None or not pair.new.has(draft.path):
        return None
    kind = _KINDS_OF_NOTES.get(best.verb)
    if kind is None or (kind in PARAMETER_KINDS and not draft.parameters):
        return None
    new = _new_symbol(best)
    if kind == "return_changed":
        new = Symbol(draft.path)
    elif kind in ("default_changed", "keyword_only"):
        new = draft.symbol
    return _record(draft, Resolution(draft.symbol, kind, new, "low", best, notes), pair)


def _record(draft: Draft, resolution: Resolution, pair: ReleasePair) -> UpdateFamily:
    """Write the record; a difference that did not decide the kind is still evidence."""
    resolution.difference = draft.difference
    return family_record(resolution, pair)


def _new_symbol(best: Statement | None) -> Symbol:
    return Symbol() if best is None else written(best.replacement.path, best.replacement.parameters)


def _is_news(statement: Statement, pair: ReleasePair) -> bool:
    """Say whether a deprecation holds in the new release and is younger than the old one."""
    if statement.origin is Origin.NOTE:
        return statement.explicit
    is_older = statement.in_old or _is_at_most(statement.deprecated_in, pair.old.version)
    return statement.in_new and not is_older


def _is_at_most(version: str, other: str) -> bool:
    try:
        return Version(version) <= Version(other)
    except InvalidVersion:
        return False
