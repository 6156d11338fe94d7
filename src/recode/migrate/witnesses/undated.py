"""Changes decided by asking the target release: is the name there, does the callable take the parameter?

Asked are those that nothing dates, and moves whatever dates them: a library may keep the old path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recode.knowledge.versions import is_undated, release
from recode.migrate.find.findings import Finding
from recode.migrate.rewrite.name_checks import Question, ReleaseNames
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment

_NAMES = frozenset({"renamed", "moved", "replaced", "removed"})
_PARAMETERS = frozenset({"parameter_renamed", "parameter_removed"})


def decided(findings: Iterable[Finding], target: str, environment: Environment | None) -> tuple[Finding, ...]:
    """Return the findings without those of undated changes that the target release does not have yet, and of names that it kept.

    Where it cannot be asked, an undated change counts from the major series of the release in which it was seen.

    Args:
        findings: of the knowledge witness.
        target: the release to migrate to.
        environment: its environment; None if there is none.
    """
    findings = tuple(findings)
    names = ReleaseNames(environment)
    asked = {finding.update for finding in findings if is_undated(finding.update)}
    moved = {one.update for one in findings if one.status == "breaks" and one.update.kind == "moved"} - asked
    if not asked and not moved:
        return findings
    names.prepare(question for update in asked | moved for question in _questions(update))
    here = {update: _is_here(update, target, names) for update in asked}
    here |= {update: names.has(update.old_symbol.path) != "yes" for update in moved if not update.old_symbol.is_call}
    return tuple(finding for finding in findings if here.get(finding.update, True))


def _questions(update: ApiUpdate) -> Iterator[Question]:
    symbol = update.old_symbol
    if update.kind in _NAMES and not symbol.is_call:
        yield "has", symbol.path, ""
    elif update.kind in _PARAMETERS and not symbol.has_values:
        for name in symbol.keywords:
            yield "has", symbol.path, name
    elif update.kind == "keyword_only":
        yield "signature", symbol.path, ""


def _is_here(update: ApiUpdate, target: str, names: ReleaseNames) -> bool:
    """Say whether the target release has a change."""
    symbol = update.old_symbol
    if update.kind == "keyword_only":
        signature = names.signature(symbol.path)
        if signature is not None and symbol.keywords:
            by_position = {one.name for one in signature.positional}
            return not by_position.issuperset(symbol.keywords)
    answers = {names.has(path, parameter) for what, path, parameter in _questions(update) if what == "has"}
    if "no" in answers:
        return True
    if answers == {"yes"}:
        return False
    goal, newest = release(target), release(update.new_version)
    return goal is None or newest is None or goal.major >= newest.major
