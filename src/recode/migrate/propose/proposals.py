"""A model's rewritings for a project: open places → windows → samples → rewritings that may be tried.

A place whose rewritings all fail is asked for once more, with what is wrong.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recode.migrate.find.findings import Finding
from recode.migrate.propose.candidates import JudgedAnswers, RewriteCandidate, judge
from recode.migrate.propose.feedback import FailedProposal, corrected
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
from recode.models.completing import migration_prompt
from recode.models.prompting import Prompt
from recode.models.sampling import Sampling

IsGone = Callable[[SourceFile, Sequence[Edit], Sequence[Finding]], bool]
"""Whether a second scan of the edited file finds that many fewer uses of the findings' symbols."""
Objections = Callable[[Mapping[Path, SourceFile], Sequence[Change]], dict[Change, str]]
"""Which changes the new release cannot run, with the reason; several may rewrite one place."""
_KEPT = 4
"""Largest number of rewritings of one place that are tried."""


@dataclass(frozen=True)
class AskedModel:
    """The model, how many samples it gives for each question, and how it samples; `on_progress` is called with the number of samples."""

    backend: Backend
    samples: int
    sampling: Sampling
    on_progress: Callable[[int], None] = lambda _: None

    def answers(self, prompts: Sequence[Prompt]) -> list[list[str]]:
        """Return the samples for each prompt.

        Raises:
            RecodeError: the model cannot be loaded or does not answer.
        """
        return completions(self.backend, prompts, self.samples, self.sampling, self.on_progress)


@dataclass(frozen=True)
class ProposalChecks:
    """What decides about a rewriting.

    Attributes:
        is_gone: checks by a second scan that it got rid of the old API.
        objections: asks the new release about names, calls and types.
        failed: rewritings that runs refuted.
    """

    is_gone: IsGone
    objections: Objections = lambda sources, changes: {}
    failed: Sequence[FailedProposal] = ()


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
        asked: the question that they answer, or the last one.
        used: the window in it.
        rejected: how many answers were rejected for each reason.
        failure: an answer to the last question that was rejected, and why.
    """

    plan: FilePlan
    program: EditableProgram
    place: OpenPlace
    windows: list[Window]
    binding: Binding | None
    candidates: tuple[RewriteCandidate, ...] = ()
    asked: Prompt | None = None
    used: Window | None = None
    rejected: Counter[str] = field(default_factory=Counter)
    failure: tuple[str, str] | None = None

    @property
    def node(self) -> ast.AST:
        """The syntax node of the place."""
        return self.place.place.node

    @property
    def is_use(self) -> bool:
        """Whether the place is a use of a name, not its import."""
        return not isinstance(self.node, ast.alias | ast.ImportFrom)

    def take(self, prompt: Prompt, window: Window, texts: list[str]) -> None:
        """Judge the answers to a question about a window, and keep the candidates among them."""
        tree = self.program.tree
        limit = tree.span(tree.statement(self.node))
        answers: JudgedAnswers = judge(self.program, window, limit, self.place.finding.update, texts)
        self.rejected.update(dict(answers.rejected))
        self.candidates, self.asked, self.used = answers.candidates[:_KEPT], prompt, window
        self.failure = (answers.example, answers.rejected[0][0]) if answers.rejected else None


@dataclass(eq=False)
class _Group:
    """Places that are rewritten together, with the changes that the candidates make.

    Attributes:
        proposals: the places: the uses of one imported name with its import, or one place alone.
        changes: each with the candidates of the uses that it is made of.
        failures: candidates of the uses whose change is not taken, with the reason.
        obstacle: why there is no change, unless a failure says so.
    """

    proposals: list[_Proposal]
    changes: dict[Change, list[RewriteCandidate]] = field(default_factory=dict)
    failures: list[tuple[list[RewriteCandidate], str]] = field(default_factory=list)
    obstacle: str = ""

    @property
    def uses(self) -> list[_Proposal]:
        """The places that the model is asked about."""
        return [proposal for proposal in self.proposals if proposal.is_use]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the places were found for."""
        return tuple(proposal.place.finding for proposal in self.proposals)

    def questions(self, failed: Sequence[FailedProposal]) -> list[tuple[_Proposal, Prompt]]:
        """Return what is asked once more: about the uses whose answers were rejected, or about all uses if their change failed."""
        in_runs = [one for one in failed if one.change.findings == self.findings]
        for one in in_runs:
            for change, chosen in self.changes.items():
                if change.edits == one.change.edits:
                    return self._again(chosen, one.error)
        if self.changes or in_runs:
            return []
        without = [use for use in self.uses if use.windows and not use.candidates and use.failure]
        if without:
            return [
                (use, corrected(use.asked, *use.failure)) for use in without if use.asked is not None and use.failure
            ]
        return self._again(*self.failures[0]) if self.failures else []

    def _again(self, chosen: Sequence[RewriteCandidate], error: str) -> list[tuple[_Proposal, Prompt]]:
        return [
            (use, corrected(use.asked, candidate.answer, error))
            for use, candidate in zip(self.uses, chosen, strict=True)
            if use.asked is not None
        ]

    def make(self, samples: int, is_gone: IsGone) -> None:
        """Make the changes of the candidates; what cannot be made, or leaves the old API, is a failure."""
        uses = self.uses
        self.changes, self.failures, self.obstacle = {}, [], _obstacle(self.proposals, uses)
        if self.obstacle:
            return
        for number in range(max(len(use.candidates) for use in uses)):
            chosen = [use.candidates[min(number, len(use.candidates) - 1)] for use in uses]
            try:
                change = _change(self.proposals, uses, chosen, samples)
            except AnswerRejected as rejection:
                self.failures.append((chosen, str(rejection)))
                continue
            if is_gone(self.proposals[0].plan.source, change.edits, change.findings):
                self.changes[change] = chosen
            else:
                self.failures.append((chosen, "the code still uses the old API"))

    def option(self) -> RewriteOption | None:
        """Return the changes as one choice; None, with all places left alone, if there are none."""
        if self.changes:
            return RewriteOption(tuple(self.changes))
        detail = self.obstacle
        if not detail:
            reasons = Counter(reason for _, reason in self.failures)
            detail = "; ".join(f"{count} times: {reason}" for reason, count in reasons.most_common(3))
        for proposal in self.proposals:
            proposal.plan.left.append(proposal.place.left_alone(detail))
        return None


def propose(plans: Sequence[FilePlan], model: AskedModel, checks: ProposalChecks) -> list[RewriteOption]:
    """Have a model rewrite the open places. Those without a rewriting are added to their plans as left alone.

    Args:
        plans: the plans of the files; afterwards they have no open places.
        model: the model.
        checks: what decides about a rewriting.

    Raises:
        RecodeError: the model cannot be loaded or does not answer.
    """
    proposals = [_proposal(plan, place) for plan in plans for place in plan.open]
    for plan in plans:
        plan.open = []
    for size in (0, 1):
        waiting = [one for one in proposals if one.is_use and not one.candidates and len(one.windows) > size]
        updates = [use.place.finding.update for use in waiting]
        asked = [
            migration_prompt(update, use.windows[size].program) for update, use in zip(updates, waiting, strict=True)
        ]
        for use, prompt, texts in zip(waiting, asked, model.answers(asked), strict=True):
            use.take(prompt, use.windows[size], texts)
    groups = _groups(proposals)
    _make(groups, model, checks)
    _correct(groups, model, checks)
    options = [group.option() for group in groups]
    return [option for option in options if option is not None]


def _make(groups: Sequence[_Group], model: AskedModel, checks: ProposalChecks) -> None:
    """Make the changes of groups, without those that the new release objects to."""
    for group in groups:
        group.make(model.samples, checks.is_gone)
    sources = {one.plan.source.path: one.plan.source for group in groups for one in group.proposals}
    objections = checks.objections(sources, [change for group in groups for change in group.changes])
    for group in groups:
        for change in [change for change in group.changes if change in objections]:
            group.failures.append((group.changes.pop(change), objections[change]))


def _correct(groups: Sequence[_Group], model: AskedModel, checks: ProposalChecks) -> None:
    """Ask once more about the groups whose changes failed, with the reason; earlier changes stay behind the new ones."""
    questions = {group: asked for group in groups if (asked := group.questions(checks.failed))}
    together = [question for asked in questions.values() for question in asked]
    earlier = {group: dict(group.changes) for group in questions}
    for (use, prompt), texts in zip(together, model.answers([prompt for _, prompt in together]), strict=True):
        assert use.used is not None
        use.take(prompt, use.used, texts)
    _make(list(questions), model, checks)
    for group, changes in earlier.items():
        known = {change.edits for change in group.changes}
        group.changes |= {change: chosen for change, chosen in changes.items() if change.edits not in known}


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


def _groups(proposals: Sequence[_Proposal]) -> list[_Group]:
    """Group the uses of one imported name with its import, which is removed together with the last use."""
    groups: dict[Binding | _Proposal, list[_Proposal]] = {}
    for proposal in proposals:
        groups.setdefault(proposal.binding or proposal, []).append(proposal)
    return [_Group(group) for group in groups.values()]


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
