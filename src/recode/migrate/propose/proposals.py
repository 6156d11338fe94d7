"""The model's path over a project: open findings → windows → samples → rewritings that may be tried."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from recode.migrate.find.findings import Finding
from recode.migrate.propose.candidates import Candidate, Judged, judge
from recode.migrate.propose.sampling import completions
from recode.migrate.propose.windows import Window, windows
from recode.migrate.prove.proof import Option
from recode.migrate.rewrite.changes import Change, Left
from recode.migrate.rewrite.planning import FilePlan
from recode.migrate.rewrite.rejected import Rejected
from recode.migrate.rewrite.renames import Renamer
from recode.migrate.source.edits import Edit, merged
from recode.migrate.source.scopes import Binding
from recode.migrate.source.source_file import SourceFile
from recode.migrate.source.tree import Place
from recode.models.backends import Backend
from recode.models.sampling import Sampling

Gone = Callable[[SourceFile, Sequence[Edit], Sequence[Finding]], bool]
"""Whether a second scan of the edited file finds that much less of what the findings are about."""
_KEPT = 4
"""Most rewritings of one place that are tried."""


@dataclass
class _Open:
    """A finding that a model may try."""

    plan: FilePlan
    renamer: Renamer
    finding: Finding
    place: Place
    why: str
    windows: list[Window]
    binding: Binding | None
    candidates: tuple[Candidate, ...] = ()
    used: Window | None = None
    rejected: Counter[str] = field(default_factory=Counter)


def propose(
    plans: Sequence[FilePlan], backend: Backend, samples: int, sampling: Sampling, gone: Gone,
    tell: Callable[[int], None] = lambda _: None,
) -> list[Option]:  # fmt: skip
    """Have a model rewrite the open findings; what gets no rewriting is left alone, with the reason.

    Raises:
        RecodeError: the model cannot be had or does not answer.
    """
    opened = [_opened(plan, finding, place, why) for plan in plans for finding, place, why in plan.open]
    for plan in plans:
        plan.open = []
    uses = [one for one in opened if not isinstance(one.place.node, ast.alias | ast.ImportFrom)]
    for size in (0, 1):
        asked = [one for one in uses if not one.candidates and len(one.windows) > size]
        answers = completions(
            backend, [(one.finding.update, one.windows[size]) for one in asked], samples, sampling, tell
        )
        for one, texts in zip(asked, answers, strict=True):
            _take(one, one.windows[size], judge(
                one.renamer, one.windows[size], one.renamer.tree.span(one.renamer.tree.statement(one.place.node)),
                one.finding.update, texts,
            ))  # fmt: skip
    return [option for group in _groups(opened) if (option := _option(group, samples, gone)) is not None]


def _opened(plan: FilePlan, finding: Finding, place: Place, why: str) -> _Open:
    renamer = plan.renamer
    assert renamer is not None
    found = windows(renamer.tree, renamer.scopes, place.node)
    binding = None
    node = place.node
    if isinstance(node, ast.Name):
        bound = renamer.scopes.of[node].resolve(node.id)
        binding = bound[0] if len(bound) == 1 and isinstance(bound[0].node, ast.ImportFrom) else None
    elif isinstance(node, ast.alias) and isinstance(renamer.tree.parents[node], ast.ImportFrom):
        bound = renamer.scopes.of[node].resolve(node.asname or node.name)
        binding = bound[0] if len(bound) == 1 and bound[0].alias is node else None
    return _Open(plan, renamer, finding, place, why, found, binding)


def _take(one: _Open, window: Window, judged: Judged) -> None:
    one.rejected.update(dict(judged.rejected))
    if judged.candidates:
        one.candidates, one.used = judged.candidates[:_KEPT], window


def _groups(opened: Sequence[_Open]) -> list[list[_Open]]:
    """Put the uses of one imported name, and its import, together: the import goes when its last use does."""
    groups: dict[object, list[_Open]] = {}
    for one in opened:
        groups.setdefault(one.binding if one.binding is not None else id(one), []).append(one)
    return list(groups.values())


def _option(group: Sequence[_Open], samples: int, gone: Gone) -> Option | None:
    """Return the rewritings of places that go together; None, and all left alone, where there are none."""
    uses = [one for one in group if not isinstance(one.place.node, ast.alias | ast.ImportFrom)]
    reason = _hindrance(group, uses)
    changes: list[Change] = []
    still = 0
    if not reason:
        for number in range(max(len(one.candidates) for one in uses)):
            chosen = [one.candidates[min(number, len(one.candidates) - 1)] for one in uses]
            try:
                change = _change(group, uses, chosen, samples)
            except Rejected as rejected:
                reason = str(rejected)
                continue
            if gone(group[0].plan.document, change.edits, change.findings):
                changes.append(change)
            else:
                still += 1
    if changes:
        return Option(tuple(changes))
    reason = reason or f"the old API is still used in {still} rewritings"
    for one in group:
        one.plan.left.append(Left(one.finding, f"{one.why}; the model's rewritings were not taken: {reason}"))
    return None


def _hindrance(group: Sequence[_Open], uses: Sequence[_Open]) -> str:
    """Say why a group can have no rewriting; empty where it can."""
    if not uses:
        return "the import alone cannot be rewritten"
    for one in uses:
        if not one.windows:
            return "the code around it cannot be shown by itself"
        if not one.candidates:
            said = [f"{count} {reason}" for reason, count in one.rejected.most_common(3)]
            return "; ".join(said) or "there were none"
    binding = group[0].binding
    if binding is not None:
        others = group[0].renamer.scopes.uses(binding)
        if len(others) > len({one.place.node for one in uses}):
            return "the imported name has other uses"
    return ""


def _change(group: Sequence[_Open], uses: Sequence[_Open], chosen: Sequence[Candidate], samples: int) -> Change:
    """Put the rewritings of all places of a group, and what becomes of the imports, into one change."""
    renamer, binding = group[0].renamer, group[0].binding
    lines = list(dict.fromkeys(line for one in chosen for line in one.imports))
    window = uses[0].used
    beside = window.imports[-1] if window is not None and window.imports else None
    without = binding.alias if binding is not None else None
    if without is not None and binding is not None and _still_named(renamer, binding, uses, chosen):
        without = None
    edits = [edit for one in chosen for edit in one.edits]
    edits += renamer.imports_changed(lines, beside, without)
    try:
        together = tuple(merged(edits))
    except ValueError:
        raise Rejected("the rewritings of its places overlap") from None
    votes = min(one.votes for one in chosen)
    return Change(
        group[0].plan.document.path, tuple(one.finding for one in group), together, "model", "unproven",
        f"{votes} of {samples} samples agree",
    )  # fmt: skip


def _still_named(renamer: Renamer, binding: Binding, uses: Sequence[_Open], chosen: Sequence[Candidate]) -> bool:
    """Say whether the imported name itself is left standing, with something around it changed (an argument, say)."""
    edits = [edit for one in chosen for edit in one.edits]
    for use in renamer.scopes.uses(binding):
        start, end = renamer.tree.span(use)
        if not any(edit.start <= start and end <= edit.end and binding.name not in edit.text for edit in edits):
            return True
    return not uses
