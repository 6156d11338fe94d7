"""`recode verify --infer`: published records verified by finding the release that their old program was written for.

That is the newest release before the named one with which the verify rule holds: there the old program runs, and on the named
release it breaks because of the update. Older minor series are tried one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recode.collect.texts.package_index import ReleaseError, releases_before
from recode.dataset.program_difference import import_name
from recode.dataset.record_reader import read_published, update_fault
from recode.dataset.verify.entries import OnProgress, VerifyOptions, verified
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import EnvironmentPair, Runner
from recode.errors import EnvironmentBuildError
from recode.records import Migration, write_records
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock

SERIES = 8
"""Minor series before the named release that are tried."""

_HOPELESS = frozenset(
    {"parses", "edit_is_small", "old_uses_old_symbol", "new_follows", "new_runs_on_new", "new_warns_of_nothing"}
)
"""Clauses that fail with any old release."""


@dataclass(frozen=True)
class InferredEntry:
    """A published entry, verified with the release found for it; or None and the reason. `ran`: it was run in some release."""

    id: str
    entry: Migration | None
    reason: str = ""
    ran: bool = True


@dataclass(frozen=True)
class Inference:
    """The outcome for a file of published records. `written`: the entries that hold were written."""

    entries: tuple[InferredEntry, ...]
    written: bool

    @property
    def all_hold(self) -> bool:
        """Say whether a release was found for every entry."""
        return all(inferred.entry is not None for inferred in self.entries)


def infer_file(
    path: Path, out: Path, options: VerifyOptions, on_progress: OnProgress = lambda done, total: None
) -> Inference:
    """Verify a file of the published form and write the entries that hold as records.

    If no entry could be run (no index, no environment), nothing is written.

    Args:
        path: JSON Lines with the published six fields.
        out: where the verified records go.
        options: how entries are verified.
        on_progress: called after each entry.

    Raises:
        RecordError: a line is bad, or `out` cannot be written.
        SandboxError: this machine gives no isolation, and the programs are not trusted.
    """
    entries = read_published(path)
    run = CachedRunner(fresh=options.fresh, trust=options.trust)
    inferred = []
    for entry in entries:
        inferred.append(infer(entry, options.locks, run))
        on_progress(len(inferred), len(entries))
    written = any(one.ran for one in inferred)
    if written:
        write_records(out, [one.entry for one in inferred if one.entry is not None])
    return Inference(tuple(inferred), written)


def infer(entry: Migration, locks: Path, run: Runner) -> InferredEntry:
    """Verify an entry with the newest release before its own with which the rule holds."""
    if not entry.new_version:
        return InferredEntry(entry.id, None, "it names no new release", ran=False)
    # The old release is not known yet; any text takes its place.
    if fault := update_fault(entry.model_copy(update={"old_version": entry.new_version})):
        return InferredEntry(entry.id, None, fault, ran=False)
    try:
        versions = releases_before(entry.library, entry.new_version)[:SERIES]
        new = _environment(entry.library, entry.new_version, locks)
    except (ReleaseError, EnvironmentBuildError) as error:
        return InferredEntry(entry.id, None, str(error), ran=False)
    reason, ran = f"there is no release before {entry.new_version}", False
    for version in versions:
        try:
            old = _environment(entry.library, version, locks)
        except EnvironmentBuildError:
            # Releases too old for this Python have no wheels; the older they are, the fewer.
            reason = f"{entry.library} {version} cannot be installed"
            continue
        pair = EnvironmentPair(old, new, import_name(entry.old_code, entry.library))
        checked, ran = verified(entry.model_copy(update={"old_version": version}), pair, run), True
        if checked.admission.holds:
            return InferredEntry(entry.id, checked.entry)
        failure = checked.admission.failures[0]
        reason = f"{failure.clause} with {version}: {failure.reason}"
        if failure.clause in _HOPELESS:
            break
    return InferredEntry(entry.id, None, reason, ran)


def _environment(library: str, version: str, locks: Path) -> Environment:
    return ensure_environment(ensure_lock(locks, library, version))
