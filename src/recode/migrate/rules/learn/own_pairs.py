"""`recode rules learn`: rules from a user's own programs before and after a change, or from records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.dataset.program_difference import import_name
from recode.dataset.record_reader import locked_releases
from recode.dataset.sources import UnverifiedEntry
from recode.dataset.verify.entries import environments_of
from recode.dataset.verify.execution_cache import CachedRunner
from recode.errors import RecodeError
from recode.migrate.rules.learn.building import Verifier, index_of
from recode.migrate.rules.learn.learning import learn_family, rules_of_pairs
from recode.migrate.rules.rule import RewriteRule, RuleProof
from recode.migrate.rules.terms import SYMBOL
from recode.packages import project_name
from recode.records import Migration, read_records
from recode.sandbox.environments import ensure_environment, ensure_lock, recode_home
from recode.symbol import Symbol


@dataclass(frozen=True)
class OwnRules:
    """Rules from own pairs, and what was run for them, as words for the user."""

    rules: tuple[RewriteRule, ...]
    proof: str


def learn_own(before: Path, after: Path, library: str = "", old: str = "", new: str = "") -> OwnRules:
    """Return the rules of two programs: before and after a change.

    Args:
        before: the program for the older release.
        after: the same for the newer one.
        library: the library whose API changed; empty: the one whose name the edit replaces.
        old: the older release; empty: the programs are not run, and the rules hold for any release.
        new: the newer release, where the older one is given.

    Raises:
        RecodeError: a file cannot be read or is no program; the files are equal or differ in more than calls, attributes and
            simple statements; or the programs do not print the same in their releases.
    """
    pair = Migration(
        id=f"{before.stem}-1", family_id=f"own-{before.stem}", library=library and project_name(library), old_version=old,
        new_version=new, kind="replaced", old_symbol=Symbol(""), new_symbol=Symbol(""), description="A rule of the project.",
        update_info="A rule of the project.", old_code=_program(before), new_code=_program(after), author="person",
    )  # fmt: skip
    index = index_of(pair.library) if pair.library else index_of("")
    rules = rules_of_pairs([pair], index, "project")
    if not rules:
        raise RecodeError(
            f"{before}, {after}: no rule can be made: the files have to differ in calls, attributes, decorators or simple statements "
            "alone, and everything new has to come from the old code or an import"
        )
    rules = [_named(rule, pair) for rule in rules]
    if not old or not new:
        return OwnRules(tuple(rules), "nothing was run: give --lib, --from and --to to have both programs run")
    locks = _run(pair)
    proof = f"both programs ran: {before} in {pair.library} {old} prints what {after} prints in {new}"
    done = [
        rule.model_copy(update={"proof": RuleProof(programs=rule.proof.programs, family=1, locks=locks)})
        for rule in rules
    ]
    return OwnRules(tuple(done), proof)


def learn_records(file: Path, locks: Path) -> OwnRules:
    """Return the rules of a file of records, such as those of `recode synthesize`, admitted leave-one-out.

    Raises:
        RecodeError: the file does not follow the format, an environment cannot be built, or there is no isolation.
    """
    families: dict[str, list[Migration]] = {}
    for record in read_records(file, Migration):
        families.setdefault(record.family_id, []).append(record)
    run = CachedRunner()
    rules: list[RewriteRule] = []
    for pairs in families.values():
        if len(pairs) < 2:
            continue
        entries = [UnverifiedEntry(pair, locked_releases(pair, locks), file) for pair in pairs]
        environments = environments_of(entries, locks, run)
        verifies = Verifier(environments[entries[0].releases], run)
        rules += learn_family(pairs, index_of(pairs[0].library), verifies, "project").rules
    total = sum(len(pairs) for pairs in families.values())
    proof = f"{len(rules)} rules of {len(families)} families with {total} pairs were admitted leave-one-out"
    return OwnRules(tuple(rules), proof)


def _program(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise RecodeError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise RecodeError(f"{file}: not UTF-8 (byte {error.start}); convert the file to UTF-8") from None
    try:
        compile(text, str(file), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise RecodeError(f"{file}: not a Python program ({error})") from None
    return text


def _named(rule: RewriteRule, pair: Migration) -> RewriteRule:
    """Return a rule whose update names the library and the API, as far as the pattern shows them."""
    symbols = sorted(term.value for term in rule.pattern_term.walk() if term.kind == SYMBOL)
    gone = [path for path in symbols if path not in rule.template_term.symbols()] or symbols
    package = import_name(pair.old_code, pair.library) if pair.library else ""
    methods = [term.value for term in rule.pattern_term.walk() if term.kind == "Attribute"]
    path = next((one for one in gone if not package or one.startswith(package + ".")), "")
    if not path and methods and package:
        path = f"{package}.{methods[0]}"
    if not path and gone:
        path = gone[0]
    if not path:
        raise RecodeError(f"{pair.id}: the edit names no library; give --lib")
    library = pair.library or project_name(path.partition(".")[0])
    update = rule.update.model_copy(update={"library": library, "old_symbol": Symbol(path)})
    return rule.model_copy(update={"update": update})


def _run(pair: Migration) -> tuple[str, str]:
    """Run both programs in their releases; return the digests of the environments.

    Raises:
        RecodeError: one does not end well, or they print something else.
    """
    folder = recode_home() / "locks"
    environments = [
        ensure_environment(ensure_lock(folder, pair.library, version))
        for version in (pair.old_version, pair.new_version)
    ]
    run = CachedRunner()
    outcomes = [run(environments[0], pair.old_code), run(environments[1], pair.new_code)]
    for outcome, version in zip(outcomes, (pair.old_version, pair.new_version), strict=True):
        if outcome.outcome != "finished":
            raised = outcome.exception
            why = f"{raised.category}: {raised.message} (line {raised.line})" if raised else outcome.outcome
            raise RecodeError(f"{pair.id}: the program for {pair.library} {version} does not succeed there: {why}")
    if outcomes[0].stdout != outcomes[1].stdout:
        raise RecodeError(
            f"{pair.id}: the two programs print something else; make them print the same, or leave out --from and --to"
        )
    return environments[0].digest, environments[1].digest


def explained(rules: Sequence[RewriteRule]) -> list[dict[str, object]]:
    """Return rules as plain values, for `--json`."""
    return [rule.model_dump(mode="json") for rule in rules]
