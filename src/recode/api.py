"""The Python interface: `recode.scan` and `recode.migrate_project`.

Both first find out which release a project comes from and what changed since, then find the uses of what changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from recode.collect.walk.public_api import import_names
from recode.errors import RecodeError
from recode.knowledge.model import Knowledge, Shape, write_knowledge
from recode.knowledge.store import StoredKnowledge, cached_file, find_knowledge, read_updates, shipped_libraries
from recode.migrate.find.findings import Examined, ScanResult, Witness
from recode.migrate.find.scan import CONFIDENCE
from recode.migrate.find.scan import scan as scan_folder
from recode.migrate.pipeline import rewrite_project
from recode.migrate.project.environments import pinned_environment, project_requirements, requirement_name
from recode.migrate.project.files import check_root
from recode.migrate.project.locks import LockedMove, Pins, moved, read_lock
from recode.migrate.project.names_in_use import ProjectWords
from recode.migrate.project.target import CurrentRelease, current_release, parse_target
from recode.migrate.project.writing import patch_of
from recode.migrate.prove.test_runs import copy_project
from recode.migrate.result import MigrateOptions, MigrationResult, Upgrade
from recode.migrate.rules.scanning import rules_of_project, with_rules
from recode.migrate.source.patch import Rewritten
from recode.migrate.witnesses.runs.witness import RunWitness, with_runs
from recode.migrate.witnesses.together import TypeWitness, merged, with_types


@dataclass(frozen=True)
class Move:
    """A project's move to a library's release.

    Attributes:
        library: its normal name.
        target: the release to move to.
        current: the release that the project comes from; None if it is unknown.
        known: what is known about the changes in between.
    """

    library: str
    target: str
    current: CurrentRelease | None
    known: StoredKnowledge

    @property
    def shapes(self) -> list[Shape]:
        """The library's shape, where it is known."""
        shape = self.known.knowledge.shape
        return [shape] if shape else []

    def upgrade(self) -> Upgrade:
        """Return the library and its two releases.

        Raises:
            RecodeError: nothing says which release the project comes from.
        """
        if self.current is None:
            raise RecodeError(f"{self.library}: nothing in the project says which release it uses now; give --from")
        return Upgrade(self.library, self.current.version, self.target)


def move_of(
    path: str | Path,
    to: str,
    from_: str | None = None,
    updates: str | Path | None = None,
    *,
    collect: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Move:
    """Find out which release a project comes from and what changed since.

    Args:
        path: the project's folder, or a file of it.
        to: `LIB==B`.
        from_: the release that the project comes from; None: read from its own files.
        updates: a file of updates to use instead of the known ones.
        collect: compare the two releases now, even where their updates are shipped.
        on_progress: called with a description of the current step.

    Raises:
        RecodeError: `to` is not of that form; or nothing is known about the library, and nothing says which release the project
            uses now.
    """
    root = Path(path)
    check_root(root)
    library, target = parse_target(to)
    current = CurrentRelease(from_, "given") if from_ else current_release(root, library, target)
    if updates is not None:
        return Move(library, target, current, read_updates(Path(updates)))
    old = current.version if current else None
    known = find_knowledge(library, target, old)
    if known is None and old is None:
        raise RecodeError(
            f"{library}: nothing in the project says which release it uses now, and no updates up to {target} are shipped "
            f"for it; give --from (shipped: {', '.join(shipped_libraries())})"
        )
    if (known is None or collect) and old is not None:
        try:
            known = _collected(library, old, target, on_progress)
        except RecodeError as error:
            # Other witnesses may still be asked; whoever needs knowledge reads why there is none.
            remark = f"the two releases could not be compared: {error}"
            known = replace(known, remark=remark) if known else StoredKnowledge(Knowledge(()), "", missing=str(error))
    assert known is not None, "without an older release, only shipped knowledge gets here"
    return Move(library, target, current, known)


def scan(
    path: str | Path,
    *,
    to: str,
    from_: str | None = None,
    updates: str | Path | None = None,
    confidence: float = CONFIDENCE,
    collect: bool = False,
    fast: bool = False,
    workers: int | None = None,
    run: Sequence[str] = (),
    run_seconds: float = RunWitness.seconds,
) -> ScanResult:
    """Find the uses of APIs in a project that break or are deprecated in a library's release.

    Args:
        path: a folder, a Python file or a notebook.
        to: `LIB==B`, such as `numpy==2.1.0`.
        from_: the release that the project comes from; None: read from its own files.
        updates: a file of updates (JSON Lines) to use instead of the known ones.
        confidence: findings with a lower confidence (0 to 1) are left out.
        collect: compare the two releases now, even where their updates are shipped.
        fast: use what is known of the library alone; build no environment and compare no types.
        workers: number of processes (default: one for each core).
        run: commands to run in both releases, over copies of the project; they are isolated where this machine supports it.
        run_seconds: wall time of one run.

    Raises:
        RecodeError: a path or release is wrong, or no witness could be asked.
    """
    move = move_of(path, to, from_, updates, collect=collect)
    return scan_move(move, path, confidence=confidence, fast=fast, workers=workers, run=run, run_seconds=run_seconds)


def scan_move(
    move: Move,
    path: str | Path,
    *,
    confidence: float = CONFIDENCE,
    fast: bool = False,
    workers: int | None = None,
    run: Sequence[str] = (),
    run_seconds: float = RunWitness.seconds,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> ScanResult:
    """Find the uses of what a move changes.

    Args:
        move: the library and its releases.
        path: a folder, a Python file or a notebook.
        confidence: findings with a lower confidence (0 to 1) are left out.
        fast: use what is known of the library alone.
        workers: number of processes (default: one for each core).
        run: commands to run in both releases.
        run_seconds: wall time of one run.
        on_progress: called with the number of files read and of all files.
        on_stage: called with what is being done after the files are read.

    Raises:
        RecodeError: the path does not exist, or disappeared during the scan; or no witness could be asked.
    """
    root = Path(path)
    result = scan_folder(
        root,
        move.known.knowledge.updates,
        move.shapes,
        to=move.target,
        from_=move.current.version if move.current else None,
        confidence=confidence if fast and not run else 0.0,
        undated=not fast,
        workers=workers,
        on_progress=on_progress,
    )
    check_root(root)
    known = move.known
    result = replace(result, examined=(Examined(Witness.KNOWLEDGE, not known.missing, known.missing or known.origin),))
    if not fast:
        witness = TypeWitness(move.library, move.current.version if move.current else None, move.target)
        # What a run shows may confirm what the others are not sure of.
        least = 0.0 if run else confidence
        result = with_types(result, root, witness, known.knowledge.updates, move.shapes, least, on_stage)
    old = move.current.version if move.current else None
    rules = rules_of_project(root, move.library, old, move.target, known.knowledge.updates, move.shapes)
    if rules is not None:
        result = with_rules(result, root, rules, workers)
    if run:
        result = _with_runs(result, move, root, run, run_seconds, confidence, on_stage)
    if not any(examined.available for examined in result.examined):
        reasons = "; ".join(f"{examined.witness}: {examined.detail}" for examined in result.examined)
        raise RecodeError(f"{move.library} {move.target}: nothing could be compared ({reasons})")
    return result


def _with_runs(
    result: ScanResult,
    move: Move,
    root: Path,
    run: Sequence[str],
    seconds: float,
    confidence: float,
    on_stage: Callable[[str], None],
) -> ScanResult:
    old = move.current.version if move.current else None
    witness = RunWitness(move.library, old, move.target, run, seconds)
    result = with_runs(result, root, witness, move.known.knowledge.updates, move.shapes, merged, on_stage)
    return replace(result, findings=tuple(one for one in result.findings if one.confidence >= confidence))


def migrate_project(
    path: str | Path,
    *,
    to: str,
    from_: str | None = None,
    options: MigrateOptions | None = None,
    updates: str | Path | None = None,
    collect: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> MigrationResult:
    """Rewrite, in memory, the uses of what a library's release breaks or deprecates.

    Nothing is written. The result's `write()` changes the files, `patch()` returns a patch.

    Args:
        path: a folder, a Python file or a notebook.
        to: `LIB==B`, such as `numpy==2.1.0`.
        from_: the release that the project comes from; None: read from its own files.
        options: model, tests and the like; None: renames by syntax tree, checked by name.
        updates: a file of updates (JSON Lines) to use instead of the known ones.
        collect: compare the two releases now, even where their updates are shipped.
        on_progress: called with a description of the current step.

    Raises:
        RecodeError: a path or release is wrong, there are no updates for the library, the model does not answer, or
            the environments for the tests cannot be built.
    """
    move = move_of(path, to, from_, updates, collect=collect, on_progress=on_progress)
    return migrate_move(move, path, options or MigrateOptions(), on_progress=on_progress)


def migrate_move(
    move: Move, path: str | Path, options: MigrateOptions, on_progress: Callable[[str], None] = lambda _: None
) -> MigrationResult:
    """Rewrite, in memory, the uses of what a move changes.

    Raises:
        RecodeError: as `migrate_project`.
    """
    missing = move.known.missing
    if missing and not options.environments:
        raise RecodeError(missing)
    updates = move.known.knowledge.updates
    result = rewrite_project(Path(path), move.upgrade(), options, updates, move.shapes, on_progress)
    if missing and not any(examined.available for examined in result.scanned.examined):
        raise RecodeError(f"{move.library} {move.target}: nothing could be compared ({missing})")
    return result


@dataclass(frozen=True)
class LockMigration:
    """A project's migration for every library that moved between two lock files.

    Attributes:
        root: the project's folder.
        results: one result for each library that the project imports and whose release rises, in their order: each begins with
            the files that the one before it made, and all are checked with the pins of the two lock files.
    """

    root: Path
    results: tuple[MigrationResult, ...]

    def files(self) -> list[Rewritten]:
        """Return the files that all changes make, in the order of their paths."""
        made: dict[Path, Rewritten] = {}
        for result in self.results:
            for file in result.files():
                made[file.path] = replace(file, old=made[file.path].old) if file.path in made else file
        return [made[path] for path in sorted(made)]

    def patch(self) -> bytes:
        """Return one patch of all changes, for `git apply`."""
        return patch_of(self.root, self.files())

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: the last library's check holds, and no other one left a place that breaks."""
        return not self.results or (
            self.results[-1].done and not any(place.is_open for result in self.results for place in result.left)
        )

    @property
    def is_worth_a_word(self) -> bool:
        """Whether something was found: a use of what changed, or a run that fails or prints something else."""
        last = self.results[-1].conclusion if self.results else None
        return any(result.scanned.findings for result in self.results) or bool(last and (last.broken or last.changed))


def migrate_locks(
    path: str | Path,
    old_lock: str | Path,
    new_lock: str | Path,
    options: MigrateOptions | None = None,
    *,
    updates: str | Path | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> LockMigration:
    """Migrate a project, in memory, for every library that it imports and that is newer in another lock file.

    Args:
        path: the project's folder.
        old_lock: the lock file as it was.
        new_lock: the lock file as it is to be.
        options: as for `migrate_project`; the pins of the lock files are added to the environments' requirements.
        updates: a file of updates (JSON Lines) to use instead of the known ones.
        on_progress: called with a description of the current step.

    Raises:
        RecodeError: as `migrate_project`; or a lock file cannot be read.
    """
    root, options = Path(path), options or MigrateOptions()
    check_root(root)
    old, new = read_lock(Path(old_lock)), read_lock(Path(new_lock))
    named = {requirement_name(text) for text in project_requirements(root, "", "")}
    results: list[MigrationResult] = []
    with tempfile.TemporaryDirectory(prefix="recode-locks-") as scratch:
        copy = Path(scratch) / "project"
        copy_project(root, copy)
        words = ProjectWords(copy)
        moves = [move for move in moved(old, new) if _is_imported(move, named, options, words)]
        for move in moves:
            others = (named | {one.library for one in moves}) - {move.library}
            pinned = replace(
                options,
                old_requires=_pinned(others, old, options.old_requires),
                new_requires=_pinned(others, new, options.new_requires),
            )
            on_progress(f"{move.library} {move.old} → {move.new}")
            known = move_of(copy, f"{move.library}=={move.new}", move.old, updates, on_progress=on_progress)
            result = migrate_move(_own_updates(known), copy, pinned, on_progress)
            for file in result.files():
                (copy / file.path).write_bytes(file.new)
            results.append(replace(result, root=root))
    return LockMigration(root, tuple(results))


def _pinned(names: Iterable[str], lock: Pins, own: Sequence[str]) -> tuple[str, ...]:
    """Return the pins of some libraries, except of those that the user gave requirements for."""
    given = {requirement_name(text) for text in own}
    return (*(f"{name}=={lock[name]}" for name in sorted(names) if name in lock and name not in given), *own)


def _is_imported(move: LockedMove, named: Collection[str], options: MigrateOptions, words: ProjectWords) -> bool:
    """Return whether some file of the project names a package of the library.

    A library that the project does not require itself is looked for by its own name alone, which needs no environment.
    """
    packages: tuple[str, ...] = (move.library.replace("-", "_"),)
    if options.environments and move.library in named:
        with suppress(RecodeError):
            packages = import_names(pinned_environment(move.library, move.new), move.library)
    return any(words.has(package) for package in packages)


def _own_updates(move: Move) -> Move:
    """Return a move that knows of its own library's updates alone."""
    known = move.known.knowledge
    own = tuple(update for update in known.updates if canonicalize_name(update.library) == move.library)
    return replace(move, known=replace(move.known, knowledge=replace(known, updates=own)))


def _collected(library: str, old: str, target: str, on_progress: Callable[[str], None]) -> StoredKnowledge:
    """Compare two releases, keep the result on disk and return it."""
    from recode.knowledge.build import KnowledgeSource, build_knowledge

    source = KnowledgeSource(library=library, old_version=old, new_version=target)
    knowledge = build_knowledge(source, on_progress=on_progress)
    write_knowledge(cached_file(library, old, target), knowledge)
    return find_knowledge(library, target, old) or StoredKnowledge(knowledge, f"collected {old} → {target}")
