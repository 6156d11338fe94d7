"""`recode verify --infer`: published records verified by finding the release that their old program was written for.

The old release is the newest one before the named one with which the verify rule holds: there the old program runs, and on the named
release it breaks because of the update. Older minor series are tried one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from recode.collect.texts.package_index import ReleaseError, releases_before
from recode.dataset.published import import_name, read_published
from recode.dataset.recorded import update_fault
from recode.dataset.verify.checking import verified
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import Pair, Runner
from recode.errors import EnvironmentBuildError
from recode.records import Migration, write_records
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock

SERIES = 8
"""Minor series before the named release that are tried."""


@dataclass(frozen=True)
class Inferred:
    """A published entry, verified with the release found for it; or None, and why. `ran`: it was run in some release."""

    id: str
    entry: Migration | None
    reason: str = ""
    ran: bool = True


def infer_file(path: Path, out: Path, locks: Path, *, fresh: bool = False, trust: bool = False) -> bool:
    """Verify a file of the published form; write the entries that hold as records; return whether all do.

    Where no entry could be run (no index, no environment), nothing is written.

    Args:
        path: JSON Lines with the published six fields.
        out: where the verified records go.
        locks: folder of locks; a missing lock is resolved and written there.
        fresh: run everything anew, whatever is remembered.

    Raises:
        RecordError: a line is bad, or `out` cannot be written.
        SandboxError: this machine gives no isolation; nobody has read these programs.
    """
    entries = read_published(path)
    run = CachedRunner(fresh=fresh, trust=trust)
    columns = (TextColumn("looking for releases"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        found = [infer(entry, locks, run) for entry in progress.track(entries)]
    if any(one.ran for one in found):
        write_records(out, [one.entry for one in found if one.entry is not None])
        written = f"written to {out}"
    else:
        written = f"{out} is not written{', what it holds is kept' if out.exists() else ''}"
    _show(found, written)
    return all(one.entry is not None for one in found)


def infer(entry: Migration, locks: Path, run: Runner) -> Inferred:
    """Verify an entry with the newest release before its own with which the rule holds."""
    if not entry.new_version:
        return Inferred(entry.id, None, "it names no new release", ran=False)
    # The old release is what is looked for; any stands for it.
    if fault := update_fault(entry.model_copy(update={"old_version": entry.new_version})):
        return Inferred(entry.id, None, fault, ran=False)
    try:
        versions = releases_before(entry.library, entry.new_version)[:SERIES]
        new = _environment(entry.library, entry.new_version, locks)
    except (ReleaseError, EnvironmentBuildError) as error:
        return Inferred(entry.id, None, str(error), ran=False)
    reason, ran = f"there is no release before {entry.new_version}", False
    for version in versions:
        try:
            old = _environment(entry.library, version, locks)
        except EnvironmentBuildError:
            # Releases too old for this Python have no wheels; the older they are the fewer.
            reason = f"{entry.library} {version} cannot be installed"
            continue
        pair = Pair(old, new, import_name(entry.old_code, entry.library))
        checked, ran = verified(entry.model_copy(update={"old_version": version}), pair, run), True
        if checked.verdict.holds:
            return Inferred(entry.id, checked.entry)
        failure = checked.verdict.failures[0]
        reason = f"{failure.clause} with {version}: {failure.reason}"
        if failure.clause in _HOPELESS:
            break
    return Inferred(entry.id, None, reason, ran)


_HOPELESS = frozenset(
    {"parses", "edit_is_small", "old_uses_old_symbol", "new_follows", "new_runs_on_new", "new_warns_of_nothing"}
)
"""Clauses that fail alike whatever the old release is."""


def _environment(library: str, version: str, locks: Path) -> Environment:
    return ensure_environment(ensure_lock(locks, library, version))


def _show(found: Sequence[Inferred], written: str) -> None:
    console = Console()
    failed = [one for one in found if one.entry is None]
    if failed:
        table = Table("entry", "why no release was found")
        for one in failed:
            table.add_row(one.id, one.reason)
        console.print(table, markup=False)
    console.print(f"{len(found) - len(failed)} of {len(found)} entries hold; {written}", markup=False, soft_wrap=True)
