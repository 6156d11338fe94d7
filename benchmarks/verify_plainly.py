"""Compares the sandbox with plain processes: a random 5% of the data set is run with the Python of the pinned environments.

    python benchmarks/verify_plainly.py --share 0.05 --seed 1

For each entry: the old program on the old release and the new one on the new release must print what the record holds, and the old one on the
new release must raise the recorded exception, warn, or print something else. Nothing is isolated here, so run it only on data you trust.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track

from recode.dataset.exports import SPLITS
from recode.records import Migration, read_records
from recode.sandbox.environments import Environment, ensure_environment, read_locks

_SECONDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    entries = [
        entry
        for split in SPLITS
        if (path := asked.data / f"{split}.jsonl").exists()
        for entry in read_records(path, Migration)
        if entry.locks
    ]
    chosen = random.Random(asked.seed).sample(entries, max(1, round(asked.share * len(entries))))
    locks = {lock.digest: lock for lock in read_locks(asked.data / "locks")}
    console = Console()
    disagreeing = 0
    for entry in track(chosen, "running plainly", console=Console(stderr=True), transient=True):
        assert entry.locks is not None
        old, new = (ensure_environment(locks[digest]) for digest in entry.locks)
        if complaint := _complaint(entry, old, new):
            disagreeing += 1
            console.print(f"{entry.id}: {complaint}", markup=False)
    console.print(
        f"{len(chosen) - disagreeing} of {len(chosen)} entries agree (of {len(entries)} in all, seed {asked.seed})"
    )
    raise SystemExit(disagreeing > 0)


def _complaint(entry: Migration, old: Environment, new: Environment) -> str:
    """Return how the runs differ from the record; empty if they do not."""
    after = _run(new, entry.new_code)
    if after.returncode or after.stdout != entry.stdout:
        return f"the new program on the new release: exit {after.returncode}, prints {after.stdout[:80]!r}, {after.stderr[-200:]!r}"
    if entry.kind == "no_op":
        return ""
    before, broken = _run(old, entry.old_code), _run(new, entry.old_code)
    if before.returncode or before.stdout != entry.stdout:
        return f"the old program on the old release: exit {before.returncode}, prints {before.stdout[:80]!r}, {before.stderr[-200:]!r}"
    assert entry.old_on_new is not None
    said = broken.stderr.strip().splitlines()
    match entry.old_on_new.outcome:
        case "raises":
            return (
                ""
                if broken.returncode and entry.old_on_new.category in broken.stderr
                else f"it does not raise: {said[-1:]}"
            )
        case "warns":
            return "" if entry.old_on_new.category in broken.stderr else f"it does not warn: {said[-1:]}"
        case _:
            return "" if broken.stdout != entry.stdout else "it prints the same"


def _run(environment: Environment, code: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(code, encoding="utf-8")
        return subprocess.run(
            [environment.python, "-W", "always", "-P", str(program)], cwd=folder, capture_output=True, text=True, timeout=_SECONDS,
            env={"PATH": os.defpath, "HOME": folder, "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg"},
        )  # fmt: skip


if __name__ == "__main__":
    main()
