"""`recode rules`: prints rules, learns a project's own, and builds the shipped ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer
from packaging.version import Version
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.status import Status

from recode.display import encodable, printable
from recode.errors import EnvironmentBuildError, RecodeError
from recode.knowledge.model import read_knowledge, shipped_folder
from recode.knowledge.store import shipped_libraries
from recode.migrate.rules.learn.building import build_rules, write_rules
from recode.migrate.rules.learn.own_pairs import explained, learn_own, learn_records
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.shipped_relations import find_relations, write_relations
from recode.migrate.rules.store import add_project_rules, libraries_with_rules, project_rules, shipped_rules

_ORIGINS = {
    "data set": "training pairs of the data set",
    "rule pairs": "pairs written for rules",
    "project": "the project",
}


def run_show(library: str, project: Path, *, as_json: bool) -> None:
    """Print the rules of a library: the project's own and those that come with ReCode.

    Raises:
        RecodeError: there are none.
    """
    rules = [*project_rules(project, library), *shipped_rules(library)]
    if not rules:
        raise RecodeError(
            f"{library}: there are no rules; make one with `recode rules learn` (shipped: {', '.join(libraries_with_rules())})"
        )
    if as_json:
        typer.echo(encodable(json.dumps(explained(rules), ensure_ascii=False, indent=1)))
        return
    for rule in rules:
        typer.echo(encodable("\n".join(_lines(rule))) + "\n")
    origins = Counter(rule.origin for rule in rules)
    Console(stderr=True).print(
        f"{len(rules)} rules: " + ", ".join(f"{count} from {_ORIGINS[origin]}" for origin, count in origins.items()),
        markup=False,
    )


def run_libraries() -> None:
    """Print a table of the libraries with shipped rules: oldest and newest release, and how many rules are of which pairs."""
    typer.echo("| library | releases | rules | from the data set | from pairs written for rules |")
    typer.echo("| --- | --- | --- | --- | --- |")
    for library in libraries_with_rules():
        rules = shipped_rules(library)
        releases = {release for rule in rules for release in (rule.update.old_version, rule.update.new_version)}
        first, *_, last = sorted(releases, key=Version)
        origins = Counter(rule.origin for rule in rules)
        typer.echo(f"| {library} | {first} → {last} | {len(rules)} | {origins['data set']} | {origins['rule pairs']} |")


def _lines(rule: RewriteRule) -> list[str]:
    update, proof = rule.update, rule.proof
    lines = [printable(part) for part in rule.pattern.splitlines()]
    lines += [
        ("→ " if number == 0 else "  ") + printable(part) for number, part in enumerate(rule.template.splitlines())
    ]
    for name, classes in rule.receivers.items():
        lines.append(f"  ${name} is an object of {' or '.join(classes) or 'a class that only a witness can tell'}")
    lines += [f"  ${name} is written as a {form}" for name, form in rule.values.items() if form != "no display"]
    lines += [
        f"  ${name} is not written as a list or dictionary"
        for name, form in rule.values.items()
        if form == "no display"
    ]
    since = update.removed_in or update.deprecated_in or update.new_version or "any release"
    lines.append(f"  {update.old_symbol} ({update.kind}, {since}), {rule.id}")
    if proof.held_out:
        lines.append(
            f"  proven on {len(proof.held_out)} of {proof.family} programs, each by the rule of the others: same output in "
            f"{update.old_version} and {update.new_version}, no deprecation ({', '.join(proof.held_out)})"
        )
    else:
        lines.append(f"  from {', '.join(proof.programs)}; {'both programs ran' if proof.locks else 'nothing was run'}")
    return lines


def run_learn(pair: Sequence[Path], project: Path, library: str, old: str, new: str, locks: Path) -> None:
    """Make rules of a user's own pair or records, write them to the project and print them.

    Raises:
        RecodeError: no rule can be made, or the file cannot be written.
    """
    with Status("learning", console=Console(stderr=True)):
        learned = learn_records(pair[0], locks) if len(pair) == 1 else learn_own(pair[0], pair[1], library, old, new)
    if not learned.rules:
        raise RecodeError(f"{pair[0]}: no rule was admitted: {learned.proof}")
    file = add_project_rules(project, learned.rules)
    for rule in learned.rules:
        typer.echo(encodable("\n".join(_lines(rule))) + "\n")
    Console(stderr=True).print(f"{learned.proof}; written to {printable(str(file))}", markup=False, soft_wrap=True)


def _relations(library: str, locks: Path, console: Console) -> list[dict[str, str]]:
    updates = read_knowledge(shipped_folder() / f"{library}.jsonl").updates
    try:
        return find_relations(updates, locks)
    except EnvironmentBuildError as error:
        console.print(f"{library}: not asked: {error}", markup=False, soft_wrap=True)
        return []


def run_build(data: Path, locks: Path, libraries: Sequence[str]) -> bool:
    """Learn the shipped rules and write them; print what was learned. Return whether every written pair verifies.

    Raises:
        RecodeError: a file does not follow the format, an environment cannot be built, or there is no isolation.
    """
    console = Console(stderr=True)
    columns = TextColumn("learning"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None)
        built = build_rules(
            data, locks, libraries, lambda done, total: progress.update(task, completed=done, total=total)
        )
    for one in built.rejected:
        console.print(f"left out: {one.id}: {one.reason}", markup=False, soft_wrap=True)
    if libraries:
        # The files of other libraries stay as they are.
        for library in libraries:
            write_rules(data / "rules", [rule for rule in built.rules if rule.update.library == library], only=library)
    else:
        write_rules(data / "rules", built.rules)
        with Status("asking releases how old and new names relate", console=console):
            write_relations(
                data, [row for library in shipped_libraries() for row in _relations(library, locks, console)]
            )
    for origin, name in _ORIGINS.items():
        families = [one for one in built.families if one.origin == origin]
        if families:
            local = [one for one in families if one.is_local]
            typer.echo(
                f"{name}: {len(families)} families of two pairs or more, {len(local)} with a local edit, "
                f"{sum(bool(one.rules) for one in families)} yield a rule ({sum(len(one.rules) for one in families)} rules), "
                f"{sum(bool(one.rules) and one.repaired == one.pairs for one in families)} repair each of their programs"
            )
    return not built.rejected
