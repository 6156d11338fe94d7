"""`recode data build`: update sources → verified, deduplicated, split records."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.dataset.duplicates import near_duplicates
from recode.dataset.leaks import separated
from recode.dataset.levels.evidence import dated_right, with_evidence
from recode.dataset.no_op import make_no_ops
from recode.dataset.note_levels import UpdateNotes, read_notes
from recode.dataset.sources import UnverifiedEntry, read_sources
from recode.dataset.splits import Split, assign, read_fixed, write_fixed
from recode.dataset.verify.entries import CheckedEntry, OnProgress, VerifyOptions, check_entries, environments_of
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import EnvironmentPair, Runner
from recode.records import Migration, write_records

TEST_NO_OPS = 60
"""How many no-op entries are made from the test splits."""

TRAIN_NO_OP_SHARE = 1 / 3
"""No-op entries per training entry, at most."""

Files = dict[str, list[Migration]]
"""The data set: file name → records, in order."""


@dataclass(frozen=True)
class Build:
    """What a build wrote and what it left out: `checked` holds every verdict, `repeats` a near-duplicate's id → the id repeated."""

    files: Files
    checked: list[CheckedEntry]
    repeats: dict[str, str]


def build(
    sources: Path,
    out: Path,
    options: VerifyOptions | None = None,
    *,
    families: int | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> Build:
    """Compile update sources to the data set's JSON Lines files.

    Writes `train`, `validation`, `test_updates`, `test_libraries`, `no_op` and `no_op_train` (`.jsonl`) and `locks/` under
    `out`. The same sources and locks give the same bytes. A killed build resumes where it stopped.

    Args:
        sources: a TOML file, or a folder of them.
        out: the data folder.
        options: how entries are verified; None: with the locks of `out`.
        families: at most this many update families of each library, chosen by a hash of their names; None: all.
        on_progress: called after each entry that is verified.

    Raises:
        RecordError: a source does not follow the format, or `out` cannot be written.
        EnvironmentBuildError: an environment cannot be built.
        SandboxError: this machine gives no isolation, and the programs are not trusted.
    """
    options = options or VerifyOptions(out / "locks")
    unverified = _some(read_sources([sources]), families)
    run = CachedRunner(fresh=options.fresh, trust=options.trust)
    environments = environments_of(unverified, options.locks, run)
    checked = check_entries([(one.entry, environments[one.releases]) for one in unverified], run, on_progress)
    # Each library has one file of sources, so one pair of releases.
    libraries = {one.entry.library: environments[one.releases] for one in unverified}
    pinned, fixed = pinned_families(sources), read_fixed(sources)
    files, repeats, splits = compile_files(checked, libraries, run, pinned, fixed, read_notes(out))
    for name, records in files.items():
        write_records(out / f"{name}.jsonl", records)
    if fixed:
        write_fixed(sources, {**fixed, **splits})
    return Build(files, checked, repeats)


def _some(entries: Sequence[UnverifiedEntry], families: int | None) -> list[UnverifiedEntry]:
    """Return the entries of at most `families` families of each library."""
    names: dict[str, set[str]] = defaultdict(set)
    for one in entries:
        names[one.entry.library].add(one.entry.family_id)
    chosen = {
        name
        for library in names.values()
        for name in sorted(library, key=lambda name: hashlib.sha256(name.encode()).digest())[:families]
    }
    return [one for one in entries if one.entry.family_id in chosen]


def pinned_families(sources: Path) -> frozenset[str]:
    """Return the families that stay in `train`: the lines of `pinned.txt` next to the sources, if it exists."""
    path = (sources if sources.is_dir() else sources.parent) / "pinned.txt"
    if not path.exists():
        return frozenset()
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line)


def compile_files(
    checked: Sequence[CheckedEntry],
    environments: dict[str, EnvironmentPair],
    run: Runner,
    pinned: Collection[str] = (),
    fixed: Mapping[str, Split] | None = None,
    notes: Mapping[str, UpdateNotes] | None = None,
) -> tuple[Files, dict[str, str], dict[str, Split]]:
    """Return the data set of checked entries, the near-duplicates left out (id → id of the entry repeated), and all splits."""
    held = [one.entry for one in checked if one.admission.holds]
    repeats = near_duplicates(held)
    notes = notes or {}
    entries = [entry for entry in dated_right(held) if entry.id not in repeats]
    splits, known = separated(entries, assign(entries, pinned, fixed), notes)
    entries = [with_evidence(one, notes.get(one.family_id)) for one in entries if one.id not in known]
    names: tuple[Split, ...] = ("train", "validation", "test_updates", "test_libraries")
    files: Files = {name: [entry for entry in entries if splits[entry.family_id] == name] for name in names}
    files["no_op"] = _verified(
        make_no_ops([*files["test_updates"], *files["test_libraries"]], TEST_NO_OPS), environments, run
    )
    files["no_op_train"] = _verified(
        make_no_ops(files["train"], int(len(files["train"]) * TRAIN_NO_OP_SHARE)), environments, run
    )
    return files, repeats, splits


def _verified(entries: Sequence[Migration], environments: dict[str, EnvironmentPair], run: Runner) -> list[Migration]:
    """Return the no-op entries that hold by their own rule."""
    checked = check_entries([(entry, environments[entry.library]) for entry in entries], run)
    return [one.entry for one in checked if one.admission.holds]
