"""`recode data build`: update sources → verified, deduplicated, split records."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from recode.dataset.duplicates import near_duplicates
from recode.dataset.no_op import make_no_ops
from recode.dataset.sources import Candidate, read_sources
from recode.dataset.splits import Split, assign
from recode.dataset.verify.checking import Checked, check_entries, environments_of, report
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import Pair, Runner
from recode.records import Migration, write_records

TEST_NO_OPS = 60
"""How many no-op entries the test splits give together."""

TRAIN_NO_OP_SHARE = 1 / 3
"""How many no-op entries there are for one training entry, at most."""

Files = dict[str, list[Migration]]
"""The data set: file name → records, in order."""


def build(sources: Path, out: Path, *, families: int | None = None, fresh: bool = False, trust: bool = False) -> None:
    """Compile update sources to the data set's JSON Lines files, and print what was dropped and what is where.

    Writes `train`, `validation`, `test_updates`, `test_libraries`, `no_op` and `no_op_train` (`.jsonl`) and `locks/`
    under `out`. The same sources and locks give the same bytes. A killed build goes on where it was.

    Args:
        sources: a TOML file, or a folder of them.
        out: the data folder.
        families: at most so many update families of each library, chosen by a hash of their names; None: all.
        fresh: run everything anew, whatever is remembered.

    Raises:
        RecordError: a source does not follow the format, or `out` cannot be written.
        EnvironmentBuildError: an environment cannot be built.
    """
    start, console = time.monotonic(), Console()
    candidates = _some(read_sources([sources]), families)
    run = CachedRunner(fresh=fresh, trust=trust)
    pairs = environments_of(candidates, out / "locks", run)
    checked = check_entries([(one.entry, pairs[one.releases]) for one in candidates], run)
    # Each library has one file of sources, so one pair of releases.
    libraries = {one.entry.library: pairs[one.releases] for one in candidates}
    files, repeats = compile_files(checked, libraries, run, pinned_families(sources))
    for name, records in files.items():
        write_records(out / f"{name}.jsonl", records)
    report(checked, console)
    for repeat, first in repeats.items():
        console.print(f"dropped {repeat}: near-duplicate of {first}", markup=False)
    console.print(_counts(files))
    console.print(f"built in {time.monotonic() - start:.0f} s")


def _some(candidates: Sequence[Candidate], families: int | None) -> list[Candidate]:
    """Return the candidates of at most `families` families of each library."""
    names: dict[str, set[str]] = defaultdict(set)
    for one in candidates:
        names[one.entry.library].add(one.entry.family_id)
    chosen = {
        name
        for library in names.values()
        for name in sorted(library, key=lambda name: hashlib.sha256(name.encode()).digest())[:families]
    }
    return [one for one in candidates if one.entry.family_id in chosen]


def pinned_families(sources: Path) -> frozenset[str]:
    """Return the families that stay in `train`: the lines of `pinned.txt` beside the sources, where there is one."""
    path = (sources if sources.is_dir() else sources.parent) / "pinned.txt"
    if not path.exists():
        return frozenset()
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line)


def compile_files(
    checked: Sequence[Checked], pairs: dict[str, Pair], run: Runner, pinned: Collection[str] = ()
) -> tuple[Files, dict[str, str]]:
    """Return the data set of checked entries, and the near-duplicates left out (id → id of the entry repeated)."""
    held = [one.entry for one in checked if one.verdict.holds]
    repeats = near_duplicates(held)
    entries = [entry for entry in held if entry.id not in repeats]
    splits = assign(entries, pinned)
    names: tuple[Split, ...] = ("train", "validation", "test_updates", "test_libraries")
    files: Files = {name: [entry for entry in entries if splits[entry.family_id] == name] for name in names}
    files["no_op"] = _verified(make_no_ops([*files["test_updates"], *files["test_libraries"]], TEST_NO_OPS), pairs, run)
    files["no_op_train"] = _verified(
        make_no_ops(files["train"], int(len(files["train"]) * TRAIN_NO_OP_SHARE)), pairs, run
    )
    return files, repeats


def _verified(entries: Sequence[Migration], pairs: dict[str, Pair], run: Runner) -> list[Migration]:
    """Return the no-op entries that hold by their own rule."""
    return [
        one.entry
        for one in check_entries([(entry, pairs[entry.library]) for entry in entries], run)
        if one.verdict.holds
    ]


def _counts(files: Files) -> Table:
    """Return a table of entries (and families) per library and file."""
    table = Table("library", *files, title="entries (families)")
    libraries = sorted({entry.library for records in files.values() for entry in records})
    for library in [*libraries, ""]:
        cells = []
        for records in files.values():
            mine = [entry for entry in records if library in ("", entry.library)]
            cells.append(f"{len(mine)} ({len(Counter(entry.family_id for entry in mine))})")
        table.add_row(library or "all", *cells)
    return table
