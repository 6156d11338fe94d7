"""`recode verify`: the rule applied to many entries at once, with their environments made first."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from recode.dataset.programs import imported_modules
from recode.dataset.published import is_published
from recode.dataset.recorded import read_recorded
from recode.dataset.sources import Candidate, Releases, read_sources
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import Pair, Runner, Verdict, verify
from recode.errors import RecordError
from recode.machine import cores
from recode.records import Migration
from recode.sandbox.environments import Environment, ensure_environment, ensure_lock


@dataclass(frozen=True)
class Checked:
    """An entry and what the rule says of it; an admitted entry carries its stdout, locks and `old_on_new`."""

    entry: Migration
    verdict: Verdict


def verify_files(
    files: Sequence[Path], locks: Path, *, fresh: bool = False, trust: bool = False, as_json: bool = False
) -> bool:
    """Verify the entries of update sources and print those that fail; return whether all hold.

    Args:
        files: update sources (TOML files, or folders of them) and records (JSON Lines files).
        locks: folder of locks; a missing lock is resolved and written there.
        fresh: run everything again, whatever is kept.
        trust: the user trusts the programs, which then run without isolation where the machine gives none.
        as_json: print one JSON object instead of a table.

    Raises:
        RecordError: a file does not follow the format.
        EnvironmentBuildError: an environment cannot be built.
        SandboxError: this machine gives no isolation, and the programs are not trusted.
    """
    records = [file for file in files if file.suffix == ".jsonl"]
    for file in records:
        if is_published(file):
            raise RecordError(
                f"{file}: entries of the published form name no old release; add --infer to look for it, with --out for the result"
            )
    sources = [file for file in files if file not in records]
    candidates = read_sources(sources) if sources else []
    candidates += [one for file in records for one in read_recorded(file, locks)]
    run = CachedRunner(fresh=fresh, trust=trust)
    pairs = environments_of(candidates, locks, run)
    checked = check_entries([(one.entry, pairs[one.releases]) for one in candidates], run)
    failed = [one for one in checked if not one.verdict.holds]
    if as_json:
        entries = [{"id": one.verdict.id, "failures": [asdict(f) for f in one.verdict.failures]} for one in failed]
        print(json.dumps({"entries": len(checked), "hold": len(checked) - len(failed), "failed": entries}))
    else:
        report(checked, Console())
    return not failed


def environments_of(candidates: Sequence[Candidate], locks: Path, run: Runner) -> dict[Releases, Pair]:
    """Return the environments of all releases that candidates are about, built if need be, and what can be loaded there before them."""
    codes: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in candidates:
        codes[_versions(one.releases)] += [one.entry.old_code, one.entry.new_code]
    # What is loaded before a program must not depend on which of a library's packages (`matplotlib`, `mpl_toolkits`) it is about.
    modules = {versions: imported_modules(programs) for versions, programs in codes.items()}
    distinct = dict.fromkeys(one.releases for one in candidates)
    return {releases: _pair(releases, locks, modules[_versions(releases)], run) for releases in distinct}


def check_entries(jobs: Sequence[tuple[Migration, Pair]], run: Runner, workers: int | None = None) -> list[Checked]:
    """Verify entries in given environments, in parallel, with a progress bar."""
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    pool = ThreadPoolExecutor(workers or cores())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            checked = pool.map(partial(_check_one, run=run), jobs)
            return list(progress.track(checked, total=len(jobs)))
    finally:
        # After an error or Ctrl-C, what has not begun must not begin.
        pool.shutdown(cancel_futures=True)


def report(checked: Sequence[Checked], console: Console) -> None:
    """Print a table of the entries that fail, and how many hold."""
    failed = [one for one in checked if not one.verdict.holds]
    if failed:
        table = Table("entry", "clause", "reason")
        for one in failed:
            for failure in one.verdict.failures:
                table.add_row(one.verdict.id, failure.clause, failure.reason)
        console.print(table, markup=False)
    console.print(f"{len(checked) - len(failed)} of {len(checked)} entries hold")


def _versions(releases: Releases) -> tuple[str, str, str]:
    return releases.library, releases.old_version, releases.new_version


def _pair(releases: Releases, locks: Path, modules: tuple[str, ...], run: Runner) -> Pair:
    name = releases.import_name
    old = ensure_environment(ensure_lock(locks, releases.library, releases.old_version, releases.old_requires))
    new = ensure_environment(ensure_lock(locks, releases.library, releases.new_version, releases.new_requires))
    there = tuple(module for module in modules if _is_module(module, old) or _is_module(module, new))
    return Pair(old, new, name, _silent(old, name, run), _silent(new, name, run), there)


def _is_module(name: str, environment: Environment) -> bool:
    """Say whether an environment holds a module or package of this name, going by its files: nothing is imported."""
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


def _check_one(job: tuple[Migration, Pair], run: Runner) -> Checked:
    return verified(*job, run)


def verified(entry: Migration, environments: Pair, run: Runner) -> Checked:
    """Apply the rule to an entry; where it holds, the entry returned carries what was observed."""
    verdict = verify(entry, environments, run)
    if verdict.holds:
        locks = (environments.old.digest, environments.new.digest)
        breaks = verdict.old_on_new
        if breaks is not None:
            # Messages name files of the environment; where it lies is this machine's own business.
            message = breaks.message.replace(f"{environments.new.folder}/", "")
            breaks = breaks.model_copy(update={"message": message})
        entry = entry.model_copy(update={"stdout": verdict.stdout, "old_on_new": breaks, "locks": locks})
    return Checked(entry, verdict)
