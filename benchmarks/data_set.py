"""The tables of docs/data.md: entries and families by library and split, kinds, outcomes, contexts and lengths.

Run: `python benchmarks/data_set.py`.
"""

from __future__ import annotations

import statistics
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

from recode.records import Migration, read_records

SPLITS = ("train", "validation", "test_updates", "test_libraries")
OUTCOMES = ("prints_differently", "warns", "raises")


def main(data: Path = Path("data")) -> None:
    """Print both tables in Markdown."""
    splits = {split: read_records(data / f"{split}.jsonl", Migration) for split in SPLITS}
    libraries(splits, data / "sources")
    entries = [entry for split in splits.values() for entry in split]
    families = defaultdict(list)
    for entry in entries:
        families[entry.family_id].append(entry)
    # A family counts by the clearest of what its old programs do.
    outcomes: Counter[str] = Counter()
    for family in families.values():
        outcomes[max((one.old_on_new.outcome for one in family if one.old_on_new), key=OUTCOMES.index)] += 1
    most = Counter(entry.library for entry in entries).most_common(1)[0]
    lengths = [len(code.splitlines()) for entry in entries for code in (entry.old_code, entry.new_code)]
    print(f"\n{len(entries)} entries, {len(families)} families; {dict(outcomes)}")
    print(f"families with three programs or more: {sum(len(family) > 2 for family in families.values())}")
    print(f"entries by kind: {dict(Counter(entry.kind for entry in entries).most_common())}")
    print(f"largest library: {most[0]}, {most[1] / len(entries):.0%}")
    print(f"lines of a program: {min(lengths)} to {max(lengths)}, median {statistics.median(lengths):g}")


def libraries(splits: dict[str, list[Migration]], sources: Path) -> None:
    """Print entries, and families in brackets, of each library in each split."""
    releases = {}
    for file in sources.glob("*.toml"):
        source = tomllib.loads(file.read_text(encoding="utf-8"))
        releases[source["library"]] = f"{source['old_version']} → {source['new_version']}"
    sizes = Counter(entry.library for split in splits.values() for entry in split)
    print("| library | releases | " + " | ".join(SPLITS) + " |\n| --- | --- |" + " --- |" * len(SPLITS))
    for library, _ in sizes.most_common():
        cells = []
        for split in splits.values():
            mine = [entry.family_id for entry in split if entry.library == library]
            cells.append(f"{len(mine)} ({len(set(mine))})" if mine else "")
        print(f"| {library} | {releases[library]} | " + " | ".join(cells) + " |")
    totals = (f"**{len(split)}** ({len({entry.family_id for entry in split})})" for split in splits.values())
    print("| **all** | | " + " | ".join(totals) + " |")


if __name__ == "__main__":
    main()
