"""A model's rewritings for a project: open places → windows → samples → rewritings that may be tried."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from recode.migrate.find.findings import Finding
from recode.migrate.propose.candidates import JudgedAnswers, RewriteCandidate, judge
from recode.migrate.propose.sampling import completions
from recode.migrate.propose.token_edits import AnswerRejected
from recode.migrate.propose.windows import Window, windows
from recode.migrate.prove.rewrite_options import RewriteOption
from recode.migrate.rewrite.changes import Change, EvidenceLevel, Method
from recode.migrate.rewrite.import_lines import change_imports
from recode.migrate.rewrite.planning import FilePlan, OpenPlace
from recode.migrate.rewrite.program import CannotRename, EditableProgram
from recode.migrate.source.edits import Edit, merged
from recode.migrate.source.scopes import Binding
from recode.migrate.source.source_file import SourceFile
from recode.models.backends import Backend
from recode.models.sampling import Sampling

IsGone = Callable[[SourceFile, Sequence[Edit], Sequence[Finding]], bool]
"""Whether a second scan of the edited file finds that many fewer uses of the findings' symbols."""
_KEPT = 4
"""Largest number of rewritings of one place that are tried."""


@dataclass(eq=False)
class _Proposal:
    """An open place, with what the model answered about it.

    Attributes:
        plan: the plan of its file.
        program: the file's program.
        place: the open place.
        windows: what the model may be shown, the smallest first.
        binding: the imported name that the place is a use of, if it is one.
        candidates: the rewritings.
        used: the window that they are about.
        rejected: how many answers were rejected for each reason.
    """

    plan: FilePlan
    program: EditableProgram
    place: OpenPlace
    windows: list[Window]
    binding: Binding | None
    candidates: tuple[RewriteCandidate, ...] = ()
    used: Window | None = None
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def node(self) -> ast.AST:
        """The syntax node of the place."""
        return self.place.place.node

    @property
    def is_use(self) -> bool:
        """Whether the place is a use of a name, not its import."""
        return not isinstance(self.node, ast.alias | ast.ImportFrom)

    def take(self, window: Window, answers: JudgedAnswers) -> None:
        """Keep the candidates among the answers for a window."""
        self.rejected.update(dict(answers.rejected))
        if answers.candidates:
            self.candidates, self.used = answers.candidates[:_KEPT], window


def propose(
    plans: Sequence[FilePlan],
    backend: Backend,
    samples: int,
    sampling: Sampling,
    is_gone: IsGone,
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[RewriteOption]:
    """Have a model rewrite the open places. Those without a rewriting are added to their plans as left alone.

    Args:
        plans: the plans of the files; afterwards they have no open places.
        backend: the model.
        samples: answers for each place.
        sampling: temperature, length and seed.
        is_gone: checks by a second scan that a rewriting got rid of the old API.
        on_progress: called with the number of answers that exist.

    Raises:
        RecodeError: the model cannot be loaded or does not answer.
    """
    proposals = [_proposal(plan, place) for plan in plans for place in plan.open]
    for plan in plans:
        plan.open = []
    uses = [proposal for proposal in proposals if proposal.is_use]
    for size in (0, 1):
        waiting = [use for use in uses if not use.candidates and len(use.windows) > size]
        questions = [(use.place.finding.update, use.windows[size]) for use in waiting]
        answers = completions(backend, questions, samples, sampling, on_progress)
        for use, texts in zip(waiting, answers, strict=True):
            tree = use.program.tree
            limit = tree.span(tree.statement(use.node))
            window = use.windows[size]
            use.take(window, judge(use.program, window, limit, use.place.finding.update, texts))
    options = [_option(group, samples, is_gone) for group in _groups(proposals)]
    return [option for option in options if option is not None]


def _proposal(plan: FilePlan, place: OpenPlace) -> _Proposal:
    program = plan.program
    assert program is not None
    node = place.place.node
    binding = None
    if isinstance(node, ast.Name):
        bindings = program.scopes.of[node].resolve(node.id)
        binding = bindings[0] if len(bindings) == 1 and isinstance(bindings[0].node, ast.ImportFrom) else None
    elif isinstance(node, ast.alias) and isinstance(program.tree.parents[node], ast.ImportFrom):
        bindings = program.scopes.of[node].resolve(node.asname or node.name)
        binding = bindings[0] if len(bindings) == 1 and bindings[0].alias is node else None
    return _Proposal(plan, program, place, windows(program.tree, program.scopes, node), binding)


def _groups(proposals: Sequence[_Proposal]) -> list[list[_Proposal]]:
    """Group the uses of one imported name with its import, which is removed together with the last use."""
    groups: dict[Binding | _Proposal, list[_Proposal]] = {}
    for proposal in proposals:
        groups.setdefault(proposal.binding or proposal, []).append(proposal)
    return list(groups.values())


def _option(group: Sequence[_Proposal], samples: int, is_gone: IsGone) -> RewriteOption | None:
    """Return the rewritings of places that belong together; None, with all left alone, if there are none."""
    uses = [proposal for proposal in group if proposal.is_use]
    obstacle = _obstacle(group, uses)
    changes: list[Change] = []
    still_used = 0
    if not obstacle:
        for number in range(max(len(use.candidates) for use in uses)):
            chosen = [use.candidates[min(number, len(use.candidates) - 1)] for use in uses]
            try:
                change = _change(group, uses, chosen, samples)
            except AnswerRejected as rejection:
                obstacle = str(rejection)
                continue
            if is_gone(group[0].plan.source, change.edits, change.findings):
                changes.append(change)
            else:
                still_used += 1
    if changes:
        return RewriteOption(tuple(changes))
    detail = obstacle or f"the old API is still used in {still_used} rewritings"
    for proposal in group:
        proposal.plan.left.append(proposal.place.left_alone(detail))
    return None


def _obstacle(group: Sequence[_Proposal], uses: Sequence[_Proposal]) -> str:
    """Return why a group can have no rewriting; empty if it can."""
    if not uses:
        return "the import alone cannot be rewritten"
    for use in uses:
        if not use.windows:
            return "the code around it cannot be shown by itself"
        if not use.candidates:
            counts = [f"{count} {reason}" for reason, count in use.rejected.most_common(3)]
            return "; ".join(counts) or "there were none"
    binding = group[0].binding
    if binding is not None:
        names = group[0].program.scopes.uses(binding)
        if len(names) > len({use.node for use in uses}):
            return "the imported name has other uses"
    return ""


def _change(
    group: Sequence[_Proposal], uses: Sequence[_Proposal], chosen: Sequence[RewriteCandidate], samples: int
) -> Change:
    """Combine the rewritings of all places of a group, and the edits of the imports, into one change.

    Raises:
        AnswerRejected: the edits overlap, or the imports cannot be changed.
    """
    program, binding = group[0].program, group[0].binding
    lines = list(dict.fromkeys(line for candidate in chosen for line in candidate.imports))
    window = uses[0].used
    beside = window.imports[-1] if window is not None and window.imports else None
    unused = None if binding is None or _still_named(program, binding, uses, chosen) else binding.alias
    edits = [edit for candidate in chosen for edit in candidate.edits]
    try:
        edits += change_imports(program, lines, beside, unused)
        together = tuple(merged(edits))
    except CannotRename as obstacle:
        raise AnswerRejected(str(obstacle)) from None
    except ValueError:
        raise AnswerRejected("the rewritings of its places overlap") from None
    votes = min(candidate.votes for candidate in chosen)
    return Change(
        group[0].plan.source.path,
        tuple(proposal.place.finding for proposal in group),
        together,
        Method.MODEL,
        EvidenceLevel.UNPROVEN,
        f"{votes} of {samples} samples agree",
    )


def _still_named(
    program: EditableProgram, binding: Binding, uses: Sequence[_Proposal], chosen: Sequence[RewriteCandidate]
) -> bool:
    """Return whether the imported name is still used, with only something around it changed, such as an argument."""
    edits = [edit for candidate in chosen for edit in candidate.edits]
    for use in program.scopes.uses(binding):
        start, end = program.tree.span(use)
        if not any(edit.start <= start and end <= edit.end and binding.name not in edit.text for edit in edits):
            return True
    return not uses
