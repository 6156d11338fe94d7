"""`recode migrate`: run a migration with progress bars, ask about its changes, print and write the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer
from rich.console import Console
from rich.status import Status

from recode.api import migrate_move, move_of
from recode.display import encodable, printable
from recode.migrate.conclude import conclude
from recode.migrate.project.files import check_root
from recode.migrate.project.writing import (
    patch_of,
    refuse_dirty,
    refuse_unsaved,
    refuse_unwritable,
    write_all,
)
from recode.migrate.report.interactive import ask_for_each, takeable
from recode.migrate.report.page import report_page
from recode.migrate.report.summary import as_json
from recode.migrate.report.terminal import print_diff, print_summary
from recode.migrate.result import MigrateOptions, MigrationResult
from recode.migrate.rewrite.changes import Change
from recode.migrate.source.patch import Rewritten
from recode.records import write_bytes, write_text


@dataclass(frozen=True)
class MigrateOutput:
    """What to do with the changes.

    Attributes:
        write: change the files.
        patch: a patch file to write.
        interactive: ask about each change.
        html: a report to write.
        as_json: print one JSON object instead of the diff and the table.
        allow_dirty: write over uncommitted changes.
        unproven: also take changes that nothing proves.
    """

    write: bool = False
    patch: Path | None = None
    interactive: bool = False
    html: Path | None = None
    as_json: bool = False
    allow_dirty: bool = False
    unproven: bool = False


@dataclass(frozen=True)
class MigrateCommand:
    """The options of `recode migrate`.

    Attributes:
        path: the project's folder, a Python file or a notebook.
        to: `LIB==B`.
        old: the release that the project comes from; None: read from its own files.
        options: how the migration is made.
        output: what to do with the changes.
        updates: a file of updates to use instead of the known ones.
        collect: compare the two releases now.
    """

    path: Path
    to: str
    old: str | None = None
    options: MigrateOptions = field(default_factory=MigrateOptions)
    output: MigrateOutput = field(default_factory=MigrateOutput)
    updates: Path | None = None
    collect: bool = False


def run_migrate(command: MigrateCommand) -> bool:
    """Migrate, print the outcome and write what was asked for; return whether nothing is left to do.

    Raises:
        RecodeError: a path or release is wrong, there are no updates for the library, the model does not answer, git could
            not restore a file that is to be written, or a file cannot be written.
    """
    errors = Console(stderr=True)
    output = command.output
    _refuse_early(command)
    with Status("looking for what changed", console=errors) as status:
        move = move_of(
            command.path, command.to, command.old, command.updates, collect=command.collect, on_progress=status.update
        )
        result = migrate_move(move, command.path, command.options, status.update)
    if output.write:
        _refuse_files(result, output)
    changes = _taken(result, output, errors)
    result = result.settled(changes)
    if result.conclusion is None:
        with Status("checking what you took", console=errors) as status:
            result.conclusion = conclude(result, command.path, status.update)
    files = result.files(changes)
    # Files first: they are there even if standard output cannot be written.
    remarks = _write(result, files, output)
    _print(result, files, output, errors)
    for remark in remarks:
        _say(errors, remark)
    if move.known.remark:
        errors.print(move.known.remark, style="yellow", markup=False, soft_wrap=True)
    return result.done


def _refuse_early(command: MigrateCommand) -> None:
    """Refuse outputs that could not be written, before anything is scanned, asked or run."""
    output = command.output
    check_root(command.path)
    for target in (output.patch, output.html):
        if target is not None:
            refuse_unwritable(target)
    if output.write and not output.allow_dirty:
        refuse_dirty(command.path)


def _refuse_files(result: MigrationResult, output: MigrateOutput) -> None:
    """Refuse files that could not be written, before the user is asked about changes and answers are lost."""
    changes = takeable(result) if output.interactive else _taken(result, output)
    paths = [file.path for file in result.files({change.file: change for change in changes}.values())]
    if not output.allow_dirty:
        refuse_unsaved(result.root, paths)
    for path in paths:
        refuse_unwritable(result.root / path)


def _taken(result: MigrationResult, output: MigrateOutput, console: Console | None = None) -> list[Change]:
    """Return the changes to make: those that the user takes, all offered ones, or the unproven ones as well."""
    if output.interactive and console is not None:
        return ask_for_each(result, console)
    return result.with_unproven() if output.unproven else result.offered


def _print(result: MigrationResult, files: Sequence[Rewritten], output: MigrateOutput, errors: Console) -> None:
    if output.as_json:
        typer.echo(encodable(json.dumps(as_json(result), ensure_ascii=False, indent=1)))
        return
    if not output.interactive:
        print_diff(Console(), files)
    print_summary(errors, result)


def _write(result: MigrationResult, files: Sequence[Rewritten], output: MigrateOutput) -> list[str]:
    """Write the files that were asked for; return what to say about them."""
    remarks = []
    if output.html is not None:
        write_text(output.html, report_page(result))
    if output.patch is not None:
        if files:
            write_bytes(output.patch, patch_of(result.root, files))
        else:
            remarks.append(f"there is nothing to change, so {printable(output.patch)} was not written")
    if output.write:
        write_all(result.root, files)
        remarks.append(f"{len(files)} files written")
    elif files and output.patch is None and not output.as_json:
        remarks.append("nothing was written: add --write, or --patch FILE")
    return remarks


def _say(errors: Console, text: str) -> None:
    errors.print(text, markup=False, highlight=False, soft_wrap=True)
