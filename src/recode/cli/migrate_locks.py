"""`recode migrate --from-lock OLD --to-lock NEW`: migrate for every library that moved between two lock files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.status import Status

from recode.api import LockMigration, migrate_locks
from recode.cli.migrate import MigrateOutput
from recode.display import encodable
from recode.migrate.project.files import check_root
from recode.migrate.project.writing import refuse_dirty, refuse_unsaved, refuse_unwritable, write_all
from recode.migrate.report.comment import comment
from recode.migrate.report.summary import as_json
from recode.migrate.report.terminal import print_diff, print_summary
from recode.migrate.result import MigrateOptions
from recode.records import write_bytes, write_text


@dataclass(frozen=True)
class LockCommand:
    """The options of `recode migrate` with lock files.

    Attributes:
        path: the project's folder.
        old_lock: the lock file as it was.
        new_lock: the lock file as it is to be.
        options: how the migration is made.
        output: what to do with the changes.
        comment: a Markdown file to write; it is not written where there is nothing to say.
        updates: a file of updates to use instead of the known ones.
    """

    path: Path
    old_lock: Path
    new_lock: Path
    options: MigrateOptions
    output: MigrateOutput
    comment: Path | None = None
    updates: Path | None = None


def run_migrate_locks(command: LockCommand) -> bool:
    """Migrate, print the outcome and write what was asked for; return whether nothing is left to do.

    Raises:
        RecodeError: as `recode.api.migrate_locks`; or a file cannot be written.
    """
    errors, output = Console(stderr=True), command.output
    check_root(command.path)
    for target in (output.patch, command.comment):
        if target is not None:
            refuse_unwritable(target)
    if output.write and not output.allow_dirty:
        refuse_dirty(command.path)
    with Status("reading the lock files", console=errors) as status:
        migration = migrate_locks(
            command.path, command.old_lock, command.new_lock, command.options, updates=command.updates, on_progress=status.update
        )  # fmt: skip
    _write(migration, command)
    if output.as_json:
        typer.echo(
            encodable(json.dumps([as_json(result) for result in migration.results], ensure_ascii=False, indent=1))
        )
        return migration.done
    if not migration.results:
        errors.print("no library that the project imports is newer in the new lock file")
        return True
    print_diff(Console(), migration.files())
    for result in migration.results:
        print_summary(errors, result)
    return migration.done


def _write(migration: LockMigration, command: LockCommand) -> None:
    output, files = command.output, migration.files()
    if output.patch is not None and files:
        write_bytes(output.patch, migration.patch())
    if command.comment is not None and migration.is_worth_a_word:
        write_text(command.comment, comment(migration.results, migration.patch()))
    if output.write:
        if not output.allow_dirty:
            refuse_unsaved(command.path, [file.path for file in files])
        write_all(command.path, files)
