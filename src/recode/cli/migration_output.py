"""`recode migrate`: what is asked on the command line, done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.status import Status

from recode.errors import RecodeError
from recode.knowledge.model import Shape
from recode.migrate.pipeline import Asked, Migrated, migrate_project
from recode.migrate.project.git import git_top
from recode.migrate.project.writing import refuse_dirty, refuse_unsaved, write_all
from recode.migrate.report.interactive import chosen, waiting
from recode.migrate.report.page import report_page
from recode.migrate.report.summary import as_json
from recode.migrate.report.terminal import print_diff, print_summary
from recode.migrate.rewrite.changes import Change
from recode.migrate.source.edits import overlap
from recode.migrate.source.patch import Rewritten, file_patch
from recode.records import ApiUpdate, write_bytes, write_text


@dataclass(frozen=True)
class Output:
    """What is done with the changes. `unproven` takes rewritings that nothing proves, too."""

    write: bool = False
    patch: Path | None = None
    interactive: bool = False
    html: Path | None = None
    as_json: bool = False
    allow_dirty: bool = False
    unproven: bool = False


def run_migration(
    root: Path, asked: Asked, updates: Sequence[ApiUpdate], shapes: Sequence[Shape], output: Output
) -> bool:
    """Migrate a project, show what was found, and write what was asked for; return whether nothing that breaks is left.

    Raises:
        RecodeError: the path does not exist, git could not bring back what is to be written, the model cannot be had.
    """
    errors = Console(stderr=True)
    if output.write and not output.allow_dirty:
        refuse_dirty(root)
    with Status("scanning", console=errors) as status:
        result = migrate_project(root, asked, updates, shapes, status.update)
    if output.write and not output.allow_dirty:
        # Before anything is asked: an answer that was given is not to be lost.
        refuse_unsaved(result.root, [file.path for file in result.files(_may_be_taken(result, output))])
    changes = _taken(result, output, errors)
    result = result.settled(changes)
    files = result.files(changes)
    if output.as_json:
        print(json.dumps(as_json(result), ensure_ascii=False, indent=1))
    else:
        if not output.interactive:
            print_diff(Console(), files)
        print_summary(errors, result)
    if output.html is not None:
        write_text(output.html, report_page(result))
    if output.patch is not None:
        write_bytes(output.patch, patch_of(result.root, files))
    if output.write:
        write_all(result.root, files)
        errors.print(f"{len(files)} files written", markup=False)
    elif files and output.patch is None and not output.as_json:
        errors.print("nothing was written: add --write, or --patch FILE", markup=False)
    return result.done


def _may_be_taken(result: Migrated, output: Output) -> list[Change]:
    """Return one change of each file that may be written."""
    changes = waiting(result) if output.interactive else _taken(result, output, Console(quiet=True))
    return list({change.file: change for change in changes}.values())


def _taken(result: Migrated, output: Output, console: Console) -> list[Change]:
    if output.interactive:
        return chosen(result, console)
    if not output.unproven:
        return result.offered
    taken = list(result.offered)
    for one in result.left:
        change = one.tried
        if change is not None and change.evidence == "unproven" and not _hindered(change, taken):
            taken.append(change)
    return taken


def _hindered(change: Change, taken: Sequence[Change]) -> bool:
    return any(other is change or (other.file == change.file and overlap(other.edits, change.edits)) for other in taken)


def patch_of(root: Path, files: Sequence[Rewritten]) -> bytes:
    """Return one patch with paths from the top of the repository around the root; without one, from the root itself.

    Raises:
        RecodeError: the root lies outside its repository by a link.
    """
    top = git_top(root)
    prefix = Path()
    if top is not None:
        try:
            prefix = root.resolve().relative_to(top.resolve())
        except ValueError:
            raise RecodeError(f"{root}: git says that its top is {top}; name the folder without links") from None
    return b"".join(file_patch(Rewritten(prefix / one.path, one.old, one.new)) for one in files)
