"""What a program calls: `recode.scan` and `recode.migrate`. Composes what finds updates with what finds and rewrites their uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from recode.errors import RecodeError
from recode.knowledge.model import write_knowledge
from recode.knowledge.store import Known, cached_file, known_updates, shipped_libraries, updates_of_file
from recode.migrate.find.findings import ScanResult
from recode.migrate.find.scan import CONFIDENCE
from recode.migrate.find.scan import scan as scan_folder
from recode.migrate.pipeline import Asked, Extras, Migrated, migrate_project
from recode.migrate.project.target import Coming, coming_from, parse_target


@dataclass(frozen=True)
class Move:
    """A project's move to a library's release: where it comes from, and what is known of the way."""

    library: str
    target: str
    coming: Coming | None
    known: Known


def move_of(
    path: str | Path,
    to: str,
    from_: str | None = None,
    updates: str | Path | None = None,
    *,
    collect: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Move:
    """Find out where a project comes from and what changed since.

    Args:
        path: the project, or a file of it.
        to: `LIB==B`.
        from_: the release that it comes from; None: what its own files say.
        updates: a file of updates to use instead of what is known.
        collect: compare the two releases now, whatever is shipped.
        tell: called with what is being done.

    Raises:
        RecodeError: `to` is not of that form; or nothing is known of the library, and it cannot be collected.
    """
    root = Path(path)
    if not root.exists():
        raise RecodeError(f"{root}: no such file or folder; check the path")
    library, target = parse_target(to)
    coming = Coming(from_, "given") if from_ else coming_from(root, library, target)
    if updates is not None:
        return Move(library, target, coming, updates_of_file(Path(updates)))
    old = coming.version if coming else None
    known = None if collect else known_updates(library, target, old)
    if known is None:
        known = _collected(library, old, target, tell)
    return Move(library, target, coming, known)


def scan(
    path: str | Path,
    *,
    to: str,
    from_: str | None = None,
    updates: str | Path | None = None,
    confidence: float = CONFIDENCE,
    collect: bool = False,
    workers: int | None = None,
) -> ScanResult:
    """Find the uses of APIs in a project that break or are deprecated in a library's release.

    Args:
        path: a folder, a Python file or a notebook.
        to: `LIB==B`, such as `numpy==2.1.0`.
        from_: the release that the project comes from; None: what its own files say.
        updates: a file of updates (JSON Lines) to use instead of what is known.
        confidence: findings that are less sure (0 to 1) are left out.
        collect: compare the two releases now, whatever is shipped with the package.
        workers: processes (default: one a core).

    Raises:
        RecodeError: a path or release is wrong, or the library's updates cannot be had.
    """
    return scan_move(move_of(path, to, from_, updates, collect=collect), path, confidence=confidence, workers=workers)


def scan_move(
    move: Move,
    path: str | Path,
    *,
    confidence: float = CONFIDENCE,
    workers: int | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> ScanResult:
    """Find the uses that a move is about; `tell` is called with the files done and all files."""
    knowledge = move.known.knowledge
    return scan_folder(
        Path(path),
        knowledge.updates,
        [knowledge.shape] if knowledge.shape else [],
        to=move.target,
        from_=move.coming.version if move.coming else None,
        confidence=confidence,
        workers=workers,
        on_progress=tell,
    )


def migrate(
    path: str | Path,
    *,
    to: str,
    from_: str | None = None,
    extras: Extras | None = None,
    updates: str | Path | None = None,
    collect: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Migrated:
    """Rewrite the uses of what a library's release breaks or deprecates, in memory; nothing is written.

    `recode.migrate.project.writing.write_all(result.root, result.files())` writes, `recode.cli.migration_output.patch_of` makes a patch.

    Args:
        path: a folder, a Python file or a notebook.
        to: `LIB==B`, such as `numpy==2.1.0`.
        from_: the release that the project comes from; None: what its own files say.
        extras: model, tests and the like; None: renames by syntax tree, checked by name.
        updates: a file of updates (JSON Lines) to use instead of what is known.
        collect: compare the two releases now, whatever is shipped with the package.
        tell: called with what is being done.

    Raises:
        RecodeError: a path or release is wrong, or the updates, the model or an environment cannot be had.
    """
    move = move_of(path, to, from_, updates, collect=collect, tell=tell)
    knowledge = move.known.knowledge
    shapes = [knowledge.shape] if knowledge.shape else []
    return migrate_project(Path(path), asked_of(move, extras or Extras()), knowledge.updates, shapes, tell)


def asked_of(move: Move, extras: Extras) -> Asked:
    """Return what is asked of a migration.

    Raises:
        RecodeError: nothing says which release the project comes from.
    """
    if move.coming is None:
        raise RecodeError(f"{move.library}: nothing says which release the project comes from; give --from")
    return Asked(**asdict(extras), library=move.library, old=move.coming.version, new=move.target)


def _collected(library: str, old: str | None, target: str, tell: Callable[[str], None]) -> Known:
    """Compare two releases, keep what was found and return it."""
    if old is None:
        raise RecodeError(
            f"{library}: nothing says which release the project comes from, and no updates are shipped for it up to "
            f"{target}; give --from (shipped: {', '.join(shipped_libraries())})"
        )
    from recode.knowledge.build import KnowledgeSource, build_knowledge

    source = KnowledgeSource(library=library, old_version=old, new_version=target)
    knowledge = build_knowledge(source, tell=tell)
    write_knowledge(cached_file(library, old, target), knowledge)
    return Known(knowledge, f"collected {old} → {target}")
