"""`recode migrate` as a command: what is known of the move, then the migration with what is written of it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.status import Status

from recode.api import asked_of, move_of
from recode.cli.migration_output import Output, run_migration
from recode.migrate.pipeline import Extras


def run_migrate(
    path: Path, to: str, old: str | None, extras: Extras, output: Output, *, updates: Path | None, collect: bool
) -> bool:
    """Migrate and print; return whether nothing that breaks is left.

    Raises:
        RecodeError: a path or release is wrong, the library's updates or the model cannot be had, the git tree is not clean.
    """
    errors = Console(stderr=True)
    with Status("looking for what changed", console=errors) as status:
        move = move_of(path, to, old, updates, collect=collect, tell=status.update)
    knowledge = move.known.knowledge
    shapes = [knowledge.shape] if knowledge.shape else []
    done = run_migration(path, asked_of(move, extras), knowledge.updates, shapes, output)
    if move.known.remark:
        errors.print(move.known.remark, style="yellow", markup=False, soft_wrap=True)
    return done
