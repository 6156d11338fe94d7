"""`migrate`: findings → changes with evidence. Nothing is written here."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from recode.errors import RecodeError
from recode.knowledge.model import Shape
from recode.migrate.find.findings import Finding, ScanResult
from recode.migrate.find.scan import CONFIDENCE, scan
from recode.migrate.project.environments import pinned, project_requirements
from recode.migrate.project.files import files_around, project_files
from recode.migrate.propose.sampling import MAX_TOKENS, SAMPLES, TEMPERATURE
from recode.migrate.prove.proof import Option, Proof, prove, rewritten
from recode.migrate.prove.spans import Spot
from recode.migrate.prove.test_runs import Trial, try_tests
from recode.migrate.rewrite.changes import Change, Left
from recode.migrate.rewrite.name_checks import Names
from recode.migrate.rewrite.planning import FilePlan, plan_file
from recode.migrate.source.edits import Edit
from recode.migrate.source.patch import Rewritten
from recode.migrate.source.source_file import SourceFile, read_source
from recode.migrate.source.text import LARGEST, Unreadable
from recode.records import ApiUpdate
from recode.sandbox.environments import Environment

_WORD = re.compile(r"[^\W\d]\w*")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Extras:
    """How a migration is made. `old_requires` and `new_requires` are further pins for the two environments.

    `tests` is a shell command, `test_seconds` its wall time. Without `environments` nothing is built, so new names are not checked
    and no tests run.
    """

    model: str | None = None
    endpoint: str | None = None
    samples: int = SAMPLES
    seed: int = 0
    tests: str | None = None
    test_seconds: float = 600.0
    old_requires: tuple[str, ...] = ()
    new_requires: tuple[str, ...] = ()
    environments: bool = True
    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class Asked(Extras):
    """A library's two releases, and how the migration is made."""

    library: str = ""
    old: str = ""
    new: str = ""


@dataclass
class Migrated:
    """What became of every finding, and what the runs said. `documents` are the files as they were read."""

    root: Path
    asked: Asked
    scanned: ScanResult
    changes: list[Change] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    proof: Proof | None = None
    documents: dict[Path, SourceFile] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def offered(self) -> list[Change]:
        """The changes that something speaks for, in the order of the files."""
        return [change for change in self.changes if change.offered]

    def files(self, changes: Sequence[Change] | None = None) -> list[Rewritten]:
        """Return the files that the offered changes make, or others."""
        made = rewritten(self.documents, self.offered if changes is None else changes)
        return [made[path] for path in sorted(made)]

    def settled(self, taken: Sequence[Change]) -> Migrated:
        """Return the same with the changes that are really made, and everything else left alone."""
        done = {id(finding) for change in taken for finding in change.findings}
        left = [one for one in self.left if id(one.finding) not in done]
        left += [
            Left(one, "not taken", change) for change in self.changes for one in change.findings if id(one) not in done
        ]
        made = replace(self, changes=list(taken), left=left)
        made.put_in_order()
        return made

    def put_in_order(self) -> None:
        """Sort by file and place."""
        self.changes.sort(key=lambda one: (one.file.as_posix(), one.edits[0].start if one.edits else 0))
        self.left.sort(key=lambda one: (one.finding.file.as_posix(), one.finding.cell or 0, one.finding.line))

    @property
    def done(self) -> bool:
        """Whether nothing that breaks is left alone, except where the code itself handles both releases."""
        return not any(one.finding.status == "breaks" and not one.reason.startswith("guarded") for one in self.left)


def migrate_project(
    root: Path, asked: Asked, updates: Sequence[ApiUpdate], shapes: Sequence[Shape] = (), tell: Tell = lambda _: None
) -> Migrated:
    """Scan a project and rewrite what an update breaks or deprecates, in memory.

    Raises:
        RecodeError: the path does not exist, the model cannot be had, or the tests cannot be run.
    """
    tell("scanning")
    found = scan(root, updates, shapes, to=asked.new, from_=asked.old, confidence=asked.confidence)
    folder = root.parent if root.is_file() else root
    result = Migrated(folder, asked, found)
    if not found.findings:
        return result
    environment = _environment(result, asked.new, asked.new_requires, tell)
    names = Names(environment)
    same = _same_objects(result, tell)
    names.prepare((new.path, new.parameter) for one in found.findings if (new := one.update.new_symbol).is_simple)
    plans = _plans(result, root, names, same)
    options: list[Option] = []
    if asked.model or asked.endpoint:
        options = _modelled(result, plans, updates, shapes, tell)
    for plan in plans:
        why = "" if asked.model or asked.endpoint else "; name a model (--model or --endpoint) to have it rewritten"
        result.left += [*plan.left, *(Left(one, f"{reason}{why}") for one, _, reason in plan.open)]
        options += [Option((change,)) for change in plan.changes]
        _attempted(result, plan, options)
    options.sort(key=lambda one: not one.changes[0].offered)
    _proven(result, options, tell)
    return result


# --- environments ---


def _environment(result: Migrated, version: str, requires: Sequence[str], tell: Tell) -> Environment | None:
    """Return the environment that names are asked in; None, with a remark, where it cannot be had."""
    if not result.asked.environments:
        return None
    tell(f"making the environment of {result.asked.library} {version}")
    try:
        return pinned(result.asked.library, version, requires)
    except RecodeError as error:
        result.remarks.append(f"{result.asked.library} {version} could not be asked about names: {error}")
        return None


def _same_objects(result: Migrated, tell: Tell) -> frozenset[str]:
    """Return the old symbols that were the very object of their new name in the old release already."""
    asked = {
        (one.update.old_symbol, one.update.new_symbol)
        for one in result.scanned.findings
        if one.kind in ("replaced", "deprecated", "removed")
        and all(symbol.is_simple and not symbol.parameter for symbol in (one.update.old_symbol, one.update.new_symbol))
    }  # fmt: skip
    if not asked:
        return frozenset()
    pairs = sorted(asked)
    environment = _environment(result, result.asked.old, result.asked.old_requires, tell)
    return frozenset(old for (old, _), alike in zip(pairs, Names(environment).same(pairs), strict=True) if alike)


# --- plans ---


def _plans(result: Migrated, root: Path, names: Names, same: frozenset[str]) -> list[FilePlan]:
    by_file: dict[Path, list[Finding]] = {}
    for finding in result.scanned.findings:
        by_file.setdefault(finding.file, []).append(finding)
    words = _ProjectWords(root)
    plans = []
    for path, findings in by_file.items():
        try:
            document = read_source(result.root, path)
        except Unreadable as error:
            result.left += [Left(one, str(error)) for one in findings]
            continue
        result.documents[path] = document
        plans.append(plan_file(document, findings, names, same, lambda name, path=path: words.used(path, name)))  # type: ignore[misc]
    return plans


class _ProjectWords:
    """Which names the other files of a project may take from a file, by the words that they hold.

    The project is all of it, also where only a file or a folder of it is migrated.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root if root.is_dir() else root.parent
        self._words: dict[Path, frozenset[str]] | None = None

    def used(self, path: Path, name: str) -> bool:
        """Say whether another file names both the module and the name; the path is given below the folder."""
        if self._words is None:
            given = [self._folder / one for one in project_files(self._root)]
            files = {one.resolve() for one in [*given, *files_around(self._folder)]}
            self._words = {one: self._read(one) for one in files}
        mine = (self._folder / path).resolve()
        return any(name in words and path.stem in words for other, words in self._words.items() if other != mine)

    def _read(self, path: Path) -> frozenset[str]:
        try:
            # A larger file was not written by hand and is not migrated either.
            if path.stat().st_size > LARGEST:
                return frozenset()
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return frozenset()
        # In a notebook's JSON, the end of a line is written as two letters.
        return frozenset(_WORD.findall(text.replace("\\n", " ") if path.suffix == ".ipynb" else text))


def _attempted(result: Migrated, plan: FilePlan, options: list[Option]) -> None:
    """Have renames tried that only tests can prove: before a model's rewritings of the same places, or alone."""
    for change in plan.attempts:
        mine = set(map(id, change.findings))
        same = [one for one in options if mine & set(map(id, one.changes[0].findings))]
        if not same:
            result.left = [one for one in result.left if id(one.finding) not in mine]
            options.append(Option((change,)))
        elif len(same) == 1 and set(map(id, same[0].changes[0].findings)) == mine:
            same[0].changes = (change, *same[0].changes)


# --- the model ---


def _modelled(
    result: Migrated, plans: Sequence[FilePlan], updates: Sequence[ApiUpdate], shapes: Sequence[Shape], tell: Tell
) -> list[Option]:
    from recode.migrate.propose.proposals import propose
    from recode.models import EndpointBackend, LocalBackend, Sampling, quiet
    from recode.models.backends import Backend

    asked = result.asked
    if not any(plan.open for plan in plans):
        return []
    backend: Backend
    if asked.endpoint:
        if not asked.model:
            raise RecodeError("--endpoint needs --model, the model's name there")
        backend = EndpointBackend(asked.endpoint, asked.model)
    else:
        assert asked.model is not None
        quiet()
        backend = LocalBackend(asked.model)
    total = sum(len(plan.open) for plan in plans)
    tell(f"asking {asked.model} about {total} places")
    sampling = Sampling(MAX_TOKENS, TEMPERATURE, seed=asked.seed)
    rescan = _Rescan(updates, shapes, asked)
    return propose(
        plans, backend, asked.samples, sampling, rescan.gone, lambda done: tell(f"{asked.model}: {done} samples")
    )


class _Rescan:
    """Scans single files again, to see whether a rewriting got rid of the old API."""

    def __init__(self, updates: Sequence[ApiUpdate], shapes: Sequence[Shape], asked: Asked) -> None:
        self._updates, self._shapes, self._asked = updates, shapes, asked
        self._before: dict[tuple[Path, str], int] = {}

    def gone(self, document: SourceFile, edits: Sequence[Edit], findings: Sequence[Finding]) -> bool:
        """Say whether a file with these edits has that many findings less of what these are about."""
        try:
            content = document.encoded(edits)
        except (Unreadable, ValueError):
            return False
        symbols = {one.symbol for one in findings}
        key = document.path, " ".join(sorted(symbols))
        if key not in self._before:
            self._before[key] = self._count(document.path, document.original, symbols)
        return self._count(document.path, content, symbols) <= self._before[key] - len(findings)

    def _count(self, path: Path, content: bytes, symbols: set[str]) -> int:
        updates = [one for one in self._updates if one.old_symbol in symbols]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / path.name
            file.write_bytes(content)
            found = scan(file, updates, self._shapes, to=self._asked.new, from_=self._asked.old, workers=1)
        if found.skipped:
            return 1 << 30
        return len(found.findings)


# --- proof ---


def _proven(result: Migrated, options: list[Option], tell: Tell) -> None:
    """Run the tests where there are any, and take the changes with what speaks for them."""
    from recode.migrate.prove.proof import compatible

    asked = result.asked
    compatible(options)
    if not asked.tests or not options:
        _sorted_out(result, [(one, one.change) for one in options])
        return
    common = project_requirements(result.root, asked.library, asked.tests)
    tell(f"making the environments of {asked.library} {asked.old} and {asked.new} for the tests")
    old = pinned(asked.library, asked.old, _pins(common, asked.old_requires))
    new = pinned(asked.library, asked.new, _pins(common, asked.new_requires))

    def run(
        environment: Environment, files: Mapping[Path, bytes], watched: Mapping[Path, frozenset[Spot]], reviewed: bool
    ) -> Trial:
        return try_tests(
            result.root, files, asked.tests or "", environment, reviewed=reviewed, watched=watched, seconds=asked.test_seconds
        )  # fmt: skip

    tell("running the tests with the old code in the old release")
    base = run(old, {}, {}, True)
    if not base.passed:
        result.remarks.append(
            f"the tests do not pass in {asked.library} {asked.old} before anything is changed ({base.told()}), so they prove nothing"
            + (f": {last}" if (last := _last_line(base)) else "")
        )
        _sorted_out(result, [(one, one.change) for one in options])
        return
    proof, judged = prove(
        result.documents, options, base, lambda files, watched, reviewed: run(new, files, watched, reviewed),
        _open_places(result), tell,
    )  # fmt: skip
    result.proof = proof
    chosen = iter(judged)
    _sorted_out(result, [(one, next(chosen) if one.change is not None else None) for one in options])


def _open_places(result: Migrated) -> list[tuple[Path, int]]:
    """Return where old uses stay that break in the new release."""
    found = []
    for one in result.left:
        finding = one.finding
        document = result.documents.get(finding.file)
        if finding.status == "breaks" and document is not None and not document.cells:
            found.append((finding.file, document.offset(finding.line, finding.column)))
    return found


def _last_line(trial: Trial) -> str:
    lines = (trial.stderr.strip() or trial.stdout.strip()).splitlines()
    telling = [line for line in lines if "error" in line.lower()]
    return (telling or lines or [""])[-1].strip()[:200]


def _pins(common: Sequence[str], further: Sequence[str]) -> list[str]:
    """Return requirements, the user's own pins instead of the project's for the same package."""
    named = {_package(one) for one in further}
    return [*(one for one in common if _package(one) not in named), *further]


def _package(requirement: str) -> str:
    return canonicalize_name(re.split(r"[^\w.-]", requirement)[0])


def _sorted_out(result: Migrated, options: Sequence[tuple[Option, Change | None]]) -> None:
    """Take offered changes; leave the code alone where nothing speaks for one."""
    for option, change in options:
        if change is None:
            first = option.changes[0]
            result.left += [Left(one, option.reason, first) for one in first.findings]
        elif change.offered:
            result.changes.append(change)
        else:
            why = "refuted by a test" if change.evidence == "refuted" else "nothing proves the rewriting"
            said = f"{why}: {change.remark}" if change.remark else why
            result.left += [Left(one, said, change) for one in change.findings]
    result.put_in_order()
