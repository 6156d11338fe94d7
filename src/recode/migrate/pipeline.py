"""The order of a migration's stages: findings → renames by rule → a model's rewritings → proof by runs → the last check.

Nothing is written here.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recode.errors import RecodeError
from recode.knowledge.model import Shape
from recode.migrate.conclude import conclude
from recode.migrate.find.findings import Finding, ScanResult
from recode.migrate.find.scan import scan
from recode.migrate.passes import plan_in_passes
from recode.migrate.project.environments import project_environment
from recode.migrate.project.files import check_root
from recode.migrate.project.names_in_use import ProjectWords
from recode.migrate.propose.checking import NewRelease
from recode.migrate.propose.feedback import FailedProposal, failed_in_runs
from recode.migrate.propose.run_repairs import CalledNames, run_repairs
from recode.migrate.prove.equality.changes import add_equality
from recode.migrate.prove.proof import prove
from recode.migrate.prove.rewrite_options import RewriteOption, give_up_conflicts
from recode.migrate.prove.trial import TrialRequest, TrialStart, start_trial
from recode.migrate.result import MigrateOptions, MigrationResult, Upgrade
from recode.migrate.rewrite.changes import Change, EvidenceLevel, LeftAlone, Reason
from recode.migrate.rewrite.name_checks import ReleaseNames, UpgradeNames
from recode.migrate.rewrite.planning import FilePlan, plan_file
from recode.migrate.rules.planning import ProjectRules, plan_by_rules
from recode.migrate.rules.scanning import rules_of_project, unreported_places, with_rules
from recode.migrate.rules.shipped_relations import shipped_relations
from recode.migrate.run_places import place_order, run_places, shown_by_runs
from recode.migrate.source.source_file import read_source
from recode.migrate.source.text import Unreadable
from recode.migrate.witnesses.rewritten import type_objections
from recode.migrate.witnesses.runs.recorded_command import RunDifference
from recode.migrate.witnesses.together import TypeWitness, with_types
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment

OnProgress = Callable[[str], None]
ROUNDS = 6
"""How often what a run shows is rewritten and run again."""


def rewrite_project(
    root: Path,
    upgrade: Upgrade,
    options: MigrateOptions,
    updates: Sequence[ApiUpdate],
    shapes: Sequence[Shape] = (),
    on_progress: OnProgress = lambda _: None,
) -> MigrationResult:
    """Scan a project and rewrite, in memory, what an update breaks or deprecates.

    Args:
        root: the project's folder, or a file of it.
        upgrade: the library and its two releases.
        options: how the migration is made.
        updates: what changed in the library.
        shapes: the modules and classes of the library.
        on_progress: called with a description of the current step.

    Raises:
        RecodeError: the path does not exist or disappeared, the model does not answer, or the tests cannot be run.
    """
    on_progress("scanning")
    scanned = scan(
        root, updates, shapes, to=upgrade.new, from_=upgrade.old, confidence=0.0, undated=options.environments
    )
    if options.environments:
        witness = TypeWitness(upgrade.library, upgrade.old, upgrade.new, options.old_requires, options.new_requires)
        scanned = with_types(scanned, root, witness, updates, shapes, 0.0, on_progress)
    rules = rules_of_project(root, upgrade.library, upgrade.old, upgrade.new, updates, shapes)
    if rules is not None:
        scanned = with_rules(scanned, root, rules)
    check_root(root)
    start = _started_trial(root, upgrade, options, on_progress)
    sure = {finding for finding in scanned.findings if finding.confidence >= options.confidence}
    with run_places(start.trial, (upgrade.old, upgrade.new)) as places:
        seen: dict[RunDifference, None] = {}
        failed: list[FailedProposal] = []
        for _ in range(ROUNDS):
            result = _result(root, upgrade, options, scanned, sure, start)
            known = _Known(rules, updates, shapes, tuple(seen), tuple(failed))
            if newly_failed := _rewrite(result, root, known, on_progress):
                # What a run shows with a rewriting that is asked for again says nothing about the release.
                failed += newly_failed
                continue
            shown = shown_by_runs(result, places, updates, on_progress)
            if not shown.findings and seen.keys() >= set(result.differences):
                break
            seen |= dict.fromkeys(result.differences)
            kept = (finding for finding in scanned.findings if finding not in shown.instead_of)
            scanned = replace(scanned, findings=tuple(sorted((*kept, *shown.findings), key=place_order)))
            sure |= set(shown.findings)
    result.conclusion = conclude(result, root, on_progress)
    return result


def _started_trial(root: Path, upgrade: Upgrade, options: MigrateOptions, on_progress: OnProgress) -> TrialStart:
    if not options.environments or not (options.commands or options.run_found):
        return TrialStart()
    request = TrialRequest(
        root.parent if root.is_file() else root, upgrade.library, (upgrade.old, upgrade.new), options.commands, options.test_seconds,
        (options.old_requires, options.new_requires), root,
    )  # fmt: skip
    return start_trial(request, on_progress)


def _result(
    root: Path,
    upgrade: Upgrade,
    options: MigrateOptions,
    scanned: ScanResult,
    sure: Collection[Finding],
    start: TrialStart,
) -> MigrationResult:
    """Return a result in which nothing is decided yet."""
    kept = tuple(finding for finding in scanned.findings if finding in sure)
    return MigrationResult(
        root.parent if root.is_file() else root, upgrade, options, replace(scanned, findings=kept), trial=start.trial,
        dropped=tuple(finding for finding in scanned.findings if finding not in sure),
        unchecked=list(start.unchecked), notes=list(start.notes),
    )  # fmt: skip


@dataclass(frozen=True)
class _Known:
    """What rewritings are made from: rules, updates, the library's modules and classes, and what runs showed so far.

    `failed` are a model's rewritings that runs refuted.
    """

    rules: ProjectRules | None
    updates: Sequence[ApiUpdate]
    shapes: Sequence[Shape]
    differences: Sequence[RunDifference]
    failed: Sequence[FailedProposal] = ()


def _rewrite(result: MigrationResult, root: Path, known: _Known, on_progress: OnProgress) -> list[FailedProposal]:
    """Decide about every finding: a change with its evidence, or left alone; return a model's rewritings that runs newly refuted."""
    plans: list[FilePlan] = []
    choices: list[RewriteOption] = []
    if result.scanned.findings:
        environments = _environments(result, known.rules, on_progress)
        names = _names(result, environments, on_progress)
        plans = _plans(result, root, known, (names, environments), on_progress)
        if result.options.uses_model:
            choices = _model_options(
                result, plans, known, NewRelease(result.root, names.new, *environments), on_progress
            )
    for plan in plans:
        result.left += [*plan.left, *(place.left_alone() for place in plan.open)]
        choices += [RewriteOption((change,)) for change in plan.changes]
        _add_attempts(result, plan, choices)
    choices.sort(key=lambda choice: not choice.changes[0].offered)
    refuted = []
    for choice, change in _proven(result, choices, on_progress):
        _sort_out(result, choice, change)
        if change is None or not change.offered:
            refuted.append(choice)
    result.sort()
    return failed_in_runs(refuted, known.failed)


# --- renames by rule ---


def _plans(
    result: MigrationResult,
    root: Path,
    known: _Known,
    releases: tuple[UpgradeNames, _Environments],
    on_progress: OnProgress,
) -> list[FilePlan]:
    """Plan the rewritings of every file that has findings: by rule, and what runs suggest."""
    rules, (names, environments) = known.rules, releases
    by_rules = functools.partial(plan_by_rules, rules) if rules is not None else None
    by_file: dict[Path, list[Finding]] = {}
    for finding in result.scanned.findings:
        by_file.setdefault(finding.file, []).append(finding)
    words, called = ProjectWords(root), CalledNames.of(names, known.shapes, known.updates)
    plans = []
    for path, findings in by_file.items():
        try:
            source = read_source(result.root, path)
        except Unreadable as error:
            result.left += [LeftAlone(finding, Reason.UNREADABLE, str(error)) for finding in findings]
            continue
        result.sources[path] = source
        used_elsewhere = lambda name, path=path: words.used_elsewhere(path, name)  # noqa: E731
        plan_once = functools.partial(plan_file, names=names, used_elsewhere=used_elsewhere, by_rules=by_rules)
        find_more = functools.partial(unreported_places, rules=rules) if rules is not None else None
        plan = plan_in_passes(source, findings, plan_once, find_more)
        plan.attempts += run_repairs(source, known.differences, findings, called)
        plans.append(plan)
    add_equality(plans, names, environments, on_progress)
    _check_types(result, plans, environments, on_progress)
    return plans


_Environments = tuple[Environment | None, Environment | None]
"""Those of the old and of the new release; None where one could not be built."""


def _environments(result: MigrationResult, rules: ProjectRules | None, on_progress: OnProgress) -> _Environments:
    """Return the environments in which names are looked up; none are built without a successor, a rule or a model."""
    options, upgrade = result.options, result.upgrade
    named = rules is not None or options.uses_model or any(one.update.new_symbol for one in result.scanned.findings)
    if not options.environments or not named:
        return None, None
    return (
        _environment(result, upgrade.old, options.old_requires, on_progress),
        _environment(result, upgrade.new, options.new_requires, on_progress),
    )


def _names(result: MigrationResult, environments: _Environments, on_progress: OnProgress) -> UpgradeNames:
    """Ask both releases, in their environments, about all names that the findings' updates mention."""
    upgrade = result.upgrade
    old, new = environments
    names = UpgradeNames(ReleaseNames(old), ReleaseNames(new), shipped_relations())
    symbols = {(finding.update.old_symbol, finding.update.new_symbol) for finding in result.scanned.findings}
    renames = sorted((old, new) for old, new in symbols if old.is_simple and new.is_simple)
    if not renames:
        return names
    on_progress(f"asking {upgrade.library} about {len(renames)} names")
    names.prepare(renames)
    for version, release, packages in (
        (upgrade.old, names.old, {old.package for old, _ in renames}),
        (upgrade.new, names.new, {new.package for _, new in renames}),
    ):
        for package in sorted(packages - set(dir(builtins))):
            if failure := release.import_failure(package):
                result.remarks.append(
                    f"{package} cannot be imported beside {upgrade.library} {version} ({failure}), so its names are unchecked"
                )
    return names


def _environment(
    result: MigrationResult, version: str, requires: Sequence[str], on_progress: OnProgress
) -> Environment | None:
    """Return the environment in which names are looked up; None, with a remark, if it cannot be built."""
    library = result.upgrade.library
    on_progress(f"building the environment of {library} {version}")
    try:
        environment, complete = project_environment(result.root, library, version, requires)
    except RecodeError as error:
        result.remarks.append(f"names could not be looked up in {library} {version}: {error}")
        return None
    if not complete:
        result.remarks.append(
            f"the project's own requirements do not fit {library} {version}, so its names were looked up without them"
        )
    return environment


def _check_types(
    result: MigrationResult, plans: Sequence[FilePlan], environments: _Environments, on_progress: OnProgress
) -> None:
    """Take back the changes that a type checker objects to, with what it says."""
    old, new = environments
    changes = [change for plan in plans for change in plan.changes if change.offered]
    if new is None or not changes:
        return
    on_progress("checking the types of the rewritten code")
    try:
        objections = type_objections(result.root, result.sources, changes, old, new)
    except RecodeError as error:
        result.remarks.append(f"the types of the rewritten code were not checked: {error}")
        return
    for plan in plans:
        for change in [change for change in plan.changes if change in objections]:
            objection = objections[change]
            level = EvidenceLevel.REFUTED if objection.certain else EvidenceLevel.UNPROVEN
            tried = replace(change, evidence=level, remark=objection.message)
            plan.changes.remove(change)
            if not objection.certain and result.trial is not None:
                # A run says more than the type of a value.
                plan.attempts.append(replace(tried, remark=f"the type checker objects: {objection.message}"))
            plan.left += [LeftAlone(finding, Reason.TYPES, objection.message, tried) for finding in change.findings]


def _add_attempts(result: MigrationResult, plan: FilePlan, choices: list[RewriteOption]) -> None:
    """Add renames that only tests can confirm, alone or ahead of a model's rewritings of the same places."""
    for change in plan.attempts:
        findings = set(change.findings)
        rivals = [choice for choice in choices if not findings.isdisjoint(choice.changes[0].findings)]
        if not rivals:
            choices.append(RewriteOption((change,)))
        elif len(rivals) == 1 and set(rivals[0].changes[0].findings) == findings:
            rivals[0].changes = (change, *rivals[0].changes)
        else:
            continue
        # What becomes of the choice becomes of them.
        result.left = [place for place in result.left if place.finding not in findings]


# --- a model's rewritings ---


def _model_options(
    result: MigrationResult,
    plans: Sequence[FilePlan],
    known: _Known,
    release: NewRelease,
    on_progress: OnProgress,
) -> list[RewriteOption]:
    from recode.migrate.propose.proposals import AskedModel, ProposalChecks, propose
    from recode.migrate.propose.rescan import Rescan
    from recode.migrate.propose.sampling import MAX_TOKENS, TEMPERATURE
    from recode.models import EndpointBackend, LocalBackend, Sampling, quiet
    from recode.models.backends import Backend

    options = result.options
    places = sum(len(plan.open) for plan in plans)
    if not places:
        return []
    backend: Backend
    if not options.model:
        raise RecodeError("--endpoint needs --model, the model's name at the endpoint")
    if options.endpoint:
        backend = EndpointBackend(options.endpoint, options.model)
    else:
        quiet()
        backend = LocalBackend(options.model)
    on_progress(f"asking {options.model} about {places} places")
    model = AskedModel(
        backend,
        options.samples,
        Sampling(MAX_TOKENS, TEMPERATURE, seed=options.seed),
        lambda done: on_progress(f"{options.model}: {done} samples"),
    )
    rescan = Rescan(known.updates, known.shapes, result.upgrade.old, result.upgrade.new)
    return propose(plans, model, ProposalChecks(rescan.is_gone, release.objections, known.failed))


# --- proof ---


def _proven(
    result: MigrationResult, choices: list[RewriteOption], on_progress: OnProgress
) -> list[tuple[RewriteOption, Change | None]]:
    """Return each choice with the change that is made, if one is; with evidence by tests where there are any."""
    give_up_conflicts(choices)
    if result.trial is None:
        return [(choice, choice.change) for choice in choices]
    result.proof, proven = prove(
        result.sources, choices, result.trial.base, result.trial.run, result.open_uses(), on_progress
    )
    remaining = iter(proven)
    return [(choice, next(remaining) if choice.change is not None else None) for choice in choices]


def _sort_out(result: MigrationResult, choice: RewriteOption, change: Change | None) -> None:
    """Add an offered change to the result; otherwise leave its places alone."""
    if change is None:
        first = choice.changes[0]
        reason = choice.reason or Reason.CONFLICT
        result.left += [LeftAlone(finding, reason, tried=first) for finding in first.findings]
    elif change.offered:
        result.changes.append(change)
    else:
        reason = Reason.REFUTED if change.evidence is EvidenceLevel.REFUTED else Reason.UNPROVEN
        result.left += [LeftAlone(finding, reason, change.remark, change) for finding in change.findings]
