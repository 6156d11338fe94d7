"""The rule applied to many entries at once, after their environments were built."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from recode.collect.walk.standard_library import standard_library
from recode.dataset.note_levels import NOTES_FILE
from recode.dataset.programs import imported_modules
from recode.dataset.record_reader import is_published, read_recorded
from recode.dataset.sources import SourceReleases, UnverifiedEntry, read_sources
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import PYTHON_LIBRARY, Admission, EnvironmentPair, Runner, verify
from recode.errors import RecordError
from recode.machine import cores
from recode.records import Migration
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock

OnProgress = Callable[[int, int], None]
"""Called with how many entries are done, and how many there are."""

_MADE_UP = "_generated.jsonl"
_OTHER_FORMS = frozenset({"codeupdatearena.jsonl", NOTES_FILE})


@dataclass(frozen=True)
class VerifyOptions:
    """How entries are verified.

    `locks` is the folder of locks; a missing lock is resolved and written there. `fresh`: run everything, even if results are
    stored. `trust`: the user trusts the programs, which then run without isolation where the machine gives none.
    """

    locks: Path
    fresh: bool = False
    trust: bool = False


@dataclass(frozen=True)
class CheckedEntry:
    """An entry and the rule's verdict; an admitted entry carries its stdout, locks and `old_on_new`."""

    entry: Migration
    admission: Admission


def verify_files(
    files: Sequence[Path], options: VerifyOptions, on_progress: OnProgress = lambda done, total: None
) -> list[CheckedEntry]:
    """Verify the entries of files; return them in the order of the files.

    Args:
        files: update sources (TOML files) and records (JSON Lines files), or folders: of a folder, its sources, or
            if it has none, the records of real libraries in it.
        options: how.
        on_progress: called after each entry.

    Raises:
        RecordError: a file does not follow the format.
        EnvironmentBuildError: an environment cannot be built.
        SandboxError: this machine gives no isolation, and the programs are not trusted.
    """
    unverified = _read(files, options.locks)
    run = CachedRunner(fresh=options.fresh, trust=options.trust)
    environments = environments_of(unverified, options.locks, run)
    return check_entries([(one.entry, environments[one.releases]) for one in unverified], run, on_progress)


def _read(files: Sequence[Path], locks: Path) -> list[UnverifiedEntry]:
    files = [inner for file in files for inner in _files_of(file)]
    records = [file for file in files if file.suffix == ".jsonl"]
    for file in records:
        if is_published(file):
            raise RecordError(
                f"{file}: entries of the published form name no old release; add --infer to look for it, with --out for the "
                "result"
            )
    sources = [file for file in files if file not in records]
    entries = read_sources(sources) if sources else []
    return entries + [entry for file in records for entry in read_recorded(file, locks)]


def _files_of(path: Path) -> list[Path]:
    """Return a file, or the files of a folder; a folder with neither is refused later, by `read_sources`."""
    if not path.is_dir() or any(path.glob("*.toml")):
        return [path]
    records = sorted(path.glob("*.jsonl"))
    return [file for file in records if not file.name.endswith(_MADE_UP) and file.name not in _OTHER_FORMS] or [path]


def environments_of(
    entries: Sequence[UnverifiedEntry], locks: Path, run: Runner
) -> dict[SourceReleases, EnvironmentPair]:
    """Return the environments of all releases that entries are about, built where needed, and what can be loaded in them.

    Raises:
        EnvironmentBuildError: an environment cannot be built.
        SandboxError: the runner cannot run programs here.
    """
    codes: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in entries:
        codes[_versions(one.releases)] += [one.entry.old_code, one.entry.new_code]
    # What is loaded before a program must not depend on which of a library's packages (`matplotlib`, `mpl_toolkits`) it is about.
    modules = {versions: imported_modules(programs) for versions, programs in codes.items()}
    distinct = dict.fromkeys(one.releases for one in entries)
    return {releases: _environment_pair(releases, locks, modules[_versions(releases)], run) for releases in distinct}


def check_entries(
    jobs: Sequence[tuple[Migration, EnvironmentPair]], run: Runner, on_progress: OnProgress = lambda done, total: None
) -> list[CheckedEntry]:
    """Verify entries in given environments, one thread per core; return them in the same order.

    Raises:
        SandboxError: the runner cannot run programs here.
    """
    pool = ThreadPoolExecutor(cores())
    try:
        checks = [pool.submit(verified, entry, environments, run) for entry, environments in jobs]
        for done, check in enumerate(as_completed(checks), start=1):
            check.result()
            on_progress(done, len(jobs))
        return [check.result() for check in checks]
    finally:
        # After an error or Ctrl-C, nothing that has not begun may begin.
        pool.shutdown(cancel_futures=True)


def verified(entry: Migration, environments: EnvironmentPair, run: Runner) -> CheckedEntry:
    """Apply the rule to an entry; where it holds, the entry returned carries what was observed."""
    admission = verify(entry, environments, run)
    if not admission.holds:
        return CheckedEntry(entry, admission)
    breaks = admission.old_on_new
    if breaks is not None:
        # Messages name files of the environment; the environment's path on this machine does not belong into a record.
        breaks = breaks.model_copy(update={"message": breaks.message.replace(f"{environments.new.folder}/", "")})
    locks = (environments.old.digest, environments.new.digest)
    observed = {"stdout": admission.stdout, "old_on_new": breaks, "locks": locks}
    return CheckedEntry(entry.model_copy(update=observed), admission)


def _versions(releases: SourceReleases) -> tuple[str, str, str]:
    return releases.library, releases.old_version, releases.new_version


def _environment_pair(releases: SourceReleases, locks: Path, modules: tuple[str, ...], run: Runner) -> EnvironmentPair:
    name = releases.import_name
    if releases.library == PYTHON_LIBRARY:
        old, new = (standard_library(one).environment() for one in (releases.old_version, releases.new_version))
        return EnvironmentPair(old, new, name)
    old = ensure_environment(ensure_lock(locks, releases.library, releases.old_version, releases.old_requires))
    new = ensure_environment(ensure_lock(locks, releases.library, releases.new_version, releases.new_requires))
    there = tuple(module for module in modules if _is_module(module, old) or _is_module(module, new))
    return EnvironmentPair(old, new, name, _silent(old, name, run), _silent(new, name, run), there)


def _is_module(name: str, environment: Environment) -> bool:
    """Say whether an environment holds a module or package of this name, judging by its files: nothing is imported."""
    parts = name.replace(".", "/")
    return any(
        (site / parts).is_dir() or next((site / parts).parent.glob(f"{Path(parts).name}.*"), None)
        for site in environment.folder.glob("lib/python*/site-packages")
    )


def _silent(environment: Environment, name: str, run: Runner) -> tuple[str, ...]:
    """Return the library's name if importing it, in a process that has loaded nothing, warns of nothing and prints nothing."""
    execution = run(environment, f"import {name}\n")
    quiet = execution.outcome == "finished" and not execution.warnings and not execution.stdout
    return (name,) if quiet else ()
