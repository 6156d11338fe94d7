"""The evidence that generated calls give for renames which nothing else proves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from recode.migrate.prove.equality.names import NameEquality, name_equality
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Method
from recode.migrate.rewrite.name_checks import Relation, UpgradeNames
from recode.migrate.rewrite.planning import FilePlan
from recode.sandbox.environments import Environment

_OPEN = frozenset({Relation.NONE, Relation.CONVERTS})
"""Both names are there, and reading their sources does not show that they are the same."""


def add_equality(
    plans: Sequence[FilePlan],
    names: UpgradeNames,
    environments: tuple[Environment | None, Environment | None],
    on_progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Replace renames by ones with the evidence of generated calls, where a release has both names.

    A rename to a successor that only a note names is offered if its names are equal. One that is offered anyway and whose names differ
    stays, with an example of where they differ.

    Args:
        plans: the plans of the files. They are modified.
        names: the answers of both releases about names.
        environments: those of the old and of the new release.
        on_progress: called with a description of the current step.
    """
    for plan in plans:
        for changes, level in ((plan.changes, EvidenceLevel.CHECKED_BY_NAME), (plan.attempts, EvidenceLevel.UNPROVEN)):
            for number, change in enumerate(changes):
                if change.evidence is level and change.method is Method.SYNTAX_TREE:
                    changes[number] = _judged(change, names, environments, on_progress)


def _judged(
    change: Change,
    names: UpgradeNames,
    environments: tuple[Environment | None, Environment | None],
    on_progress: Callable[[str], None],
) -> Change:
    found = []
    for old, new in sorted({(finding.update.old_symbol, finding.update.new_symbol) for finding in change.findings}):
        if not (old.is_simple and new.is_simple) or old.parameter or new.parameter:
            return change
        # The newer release counts more: there the old name is kept for compatibility alone.
        both = [
            environment
            for environment, release in ((environments[1], names.new), (environments[0], names.old))
            if environment is not None and release.relation(old.path, new.path) in _OPEN
        ]
        if not both:
            return change
        on_progress(f"calling {old} and {new} with the same arguments")
        found.append(name_equality(both[0], old.path, new.path))
    return _with(change, found)


def _with(change: Change, found: Sequence[NameEquality]) -> Change:
    if found and all(one.holds for one in found):
        count = min(one.equal for one in found)
        return replace(
            change,
            evidence=EvidenceLevel.EQUAL,
            remark=f"equal on {count} generated arguments in a release that has both names",
        )
    example = next((one.differs for one in found if one.differs), "")
    return replace(change, remark=f"{change.remark}; the names differ on {example}") if example else change
