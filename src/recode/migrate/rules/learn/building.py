"""`recode rules build`: the shipped rules, from the training pairs of the data set and the pairs written for rules."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from recode.dataset.record_reader import read_recorded
from recode.dataset.sources import SourceReleases, UnverifiedEntry
from recode.dataset.verify.entries import environments_of, verified
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import EnvironmentPair, Runner
from recode.errors import RecodeError
from recode.knowledge.model import read_knowledge, shipped_folder
from recode.machine import cores
from recode.migrate.find.index import Index, build_index
from recode.migrate.rules.applying import ReceiverCheck, rewritten
from recode.migrate.rules.learn.learning import LearnedFamily, PairOutcome, learn_family
from recode.migrate.rules.learn.pair_checks import check_pair, is_proven
from recode.migrate.rules.learn.pair_files import PairEntry, read_pair_file
from recode.migrate.rules.rule import RewriteRule, RuleOrigin
from recode.records import Migration, read_records, write_records
from recode.sandbox.execution import Execution
from recode.source import parse_quietly

OnProgress = Callable[[int, int], None]
"""Called with how many families are done, and how many there are."""
TEST_SPLITS = ("test_updates", "test_libraries")


@dataclass(frozen=True)
class RejectedPair:
    """A pair written for rules that does not verify, and why."""

    id: str
    reason: str


@dataclass
class BuiltRules:
    """What was learned, family by family, and the written pairs that were rejected."""

    families: list[LearnedFamily] = field(default_factory=list)
    rejected: list[RejectedPair] = field(default_factory=list)

    @property
    def rules(self) -> list[RewriteRule]:
        """All admitted rules."""
        return [rule for family in self.families for rule in family.rules]


def build_rules(
    data: Path, locks: Path, libraries: Sequence[str] = (), on_progress: OnProgress = lambda done, total: None
) -> BuiltRules:
    """Learn all rules, running what has to be run.

    Args:
        data: the folder with `train.jsonl`, the test splits and `rules/pairs`.
        locks: the folder of locks.
        libraries: learn only those of some libraries; empty: all.
        on_progress: called after each family.

    Raises:
        RecordError: a file does not follow the format.
        EnvironmentBuildError: an environment cannot be built.
        SandboxError: this machine gives no isolation.
    """
    run = CachedRunner()
    recorded = [one for one in read_recorded(data / "train.jsonl", locks) if _wanted(one, libraries)]
    written = [
        one
        for file in sorted((data / "rules" / "pairs").glob("*.toml"))
        for one in read_pair_file(file, locks)
        if _wanted(one, libraries)
    ]
    environments = environments_of([*recorded, *written], locks, run)
    result = BuiltRules()
    admitted = _verified(written, environments, run, result)
    judged = JudgedNames(data)
    indexes = {library: index_of(library) for library in {one.entry.library for one in [*recorded, *written]}}
    jobs: list[tuple[list[UnverifiedEntry], RuleOrigin]] = [(family, "data set") for family in _families(recorded)]
    jobs += [(family, "rule pairs") for family in _families(admitted)]

    def learn(job: tuple[list[UnverifiedEntry], RuleOrigin]) -> LearnedFamily:
        family, origin = job
        pairs = [one.entry for one in family]
        judge = Verifier(environments[family[0].releases], run, origin)
        names = judged.splits(pairs[0]) if origin == "rule pairs" else ()
        keeps = family[0].keeps if isinstance(family[0], PairEntry) else ()
        return learn_family(pairs, indexes[pairs[0].library], judge, origin, names, keeps)

    with ThreadPoolExecutor(cores()) as pool:
        for done, family in enumerate(pool.map(learn, jobs), start=1):
            result.families.append(family)
            on_progress(done, len(jobs))
    judges = {releases: Verifier(pair, run, "rule pairs") for releases, pair in environments.items()}
    safe = {rule.id for rule in harmless(result.rules, [*recorded, *admitted], judges)}
    result.families = [
        replace(family, rules=tuple(rule for rule in family.rules if rule.id in safe)) for family in result.families
    ]
    return result


def write_rules(folder: Path, rules: Iterable[RewriteRule], only: str = "") -> list[Path]:
    """Write rules, a file a library, and remove the files of libraries that have none any more; return the paths.

    Args:
        folder: where they go.
        rules: the rules.
        only: the one library whose file is written or removed; empty: all.
    """
    by_library: dict[str, list[RewriteRule]] = {}
    for rule in rules:
        by_library.setdefault(rule.update.library, []).append(rule)
    paths = []
    for library, mine in sorted(by_library.items()):
        paths.append(folder / f"{library}.jsonl")
        mine.sort(key=lambda rule: rule.id)
        write_records(paths[-1], mine)
    for file in folder.glob(f"{only or '*'}.jsonl"):
        if file not in paths:
            file.unlink()
    return paths


def _wanted(one: UnverifiedEntry, libraries: Sequence[str]) -> bool:
    return not libraries or one.entry.library in libraries


def _verified(
    written: Sequence[UnverifiedEntry],
    environments: dict[SourceReleases, EnvironmentPair],
    run: Runner,
    result: BuiltRules,
) -> list[UnverifiedEntry]:
    """Return the written pairs that verify, with what was observed."""
    with ThreadPoolExecutor(cores()) as pool:
        checks = pool.map(lambda one: check_pair(one.entry, environments[one.releases], run), written)
        admitted = []
        for one, check in zip(written, checks, strict=True):
            if check.fault:
                result.rejected.append(RejectedPair(one.entry.id, check.fault))
            else:
                admitted.append(replace(one, entry=check.pair))
    return admitted


def _families(entries: Sequence[UnverifiedEntry]) -> list[list[UnverifiedEntry]]:
    """Return the families with at least two pairs."""
    found: dict[str, list[UnverifiedEntry]] = {}
    for one in entries:
        found.setdefault(one.entry.family_id, []).append(one)
    return [family for family in found.values() if len(family) > 1]


@functools.cache
def index_of(library: str) -> Index:
    """Return what is known of a library's names and classes; an empty index where nothing is shipped."""
    file = shipped_folder() / f"{library}.jsonl"
    if not file.exists():
        return build_index([], [])
    try:
        knowledge = read_knowledge(file)
    except RecodeError:
        return build_index([], [])
    return build_index(knowledge.updates, [knowledge.shape] if knowledge.shape else [])


@dataclass(frozen=True)
class Verifier:
    """Runs rewritings of a pair's old program: by the rule of the data set, or of pairs written for rules by `check_pair`'s."""

    environments: EnvironmentPair
    run: Runner
    origin: RuleOrigin = "data set"

    def __call__(self, pair: Migration, text: str) -> PairOutcome:
        """Return what became of a pair's old program. The same program as the pair's new one was verified with it."""
        try:
            if ast.dump(parse_quietly(text)) == ast.dump(parse_quietly(pair.new_code)):
                return PairOutcome.VERIFIES
        except (SyntaxError, ValueError):
            return PairOutcome.WRONG
        if self._verifies(pair, text):
            return PairOutcome.VERIFIES
        new, silent = self.environments.new, self.environments.silent_new
        after, before = self.run(new, text, 0, silent), self.run(new, pair.old_code, 0, silent)
        right = after.outcome == "finished" and after.stdout == pair.stdout
        return PairOutcome.INCOMPLETE if right or _ending(after) == _ending(before) else PairOutcome.WRONG

    def _verifies(self, pair: Migration, text: str) -> bool:
        if self.origin == "rule pairs":
            return is_proven(pair, text, self.environments, self.run)
        return verified(pair.model_copy(update={"new_code": text}), self.environments, self.run).admission.holds


def _ending(run: Execution) -> str:
    """Return the message that a run ends with, or what it prints; without addresses, which differ from run to run."""
    return re.sub(r"0x[0-9a-f]+", "0x", run.exception.message if run.exception else run.stdout)


def harmless(
    rules: Sequence[RewriteRule], entries: Sequence[UnverifiedEntry], judges: dict[SourceReleases, Verifier]
) -> list[RewriteRule]:
    """Return the rules that leave every new program of their library as good as it is."""
    kept = []
    for rule in rules:
        index = index_of(rule.update.library)
        for one in entries:
            if one.entry.library != rule.update.library:
                continue
            text = rewritten(one.entry.new_code, [rule], index, ReceiverCheck.KNOWN)
            if text != one.entry.new_code and judges[one.releases](one.entry, text) is not PairOutcome.VERIFIES:
                break
        else:
            kept.append(rule)
    return kept


class JudgedNames:
    """The APIs that the test splits are about: figures on those splits must not use rules about them."""

    def __init__(self, data: Path) -> None:
        self._paths: dict[str, set[str]] = {}
        self._libraries: set[str] = set()
        for split in TEST_SPLITS:
            for entry in read_records(data / f"{split}.jsonl", Migration):
                self._paths.setdefault(split, set()).add(entry.old_symbol.path)
                if split == "test_libraries":
                    self._libraries.add(entry.library)

    def splits(self, entry: Migration) -> tuple[str, ...]:
        """Return the test splits that are about an entry's API, or hold out its library."""
        found = [split for split, paths in self._paths.items() if entry.old_symbol.path in paths]
        if entry.library in self._libraries and "test_libraries" not in found:
            found.append("test_libraries")
        return tuple(found)
