"""What an edition of the data set changed for those who used the one before.

    python benchmarks/data_set_changes.py OLD_FOLDER [NEW_FOLDER]

The old folder is one of an earlier checkout, such as `git worktree add /tmp/first v0.1.0` gives. For each file: entries kept,
moved to another file, left out, and added; and the fields that differ in entries kept.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from recode.records import Migration, read_records
from recode.shipped import shipped

NOT_RECORDS = frozenset({"codeupdatearena", "notes"})


def read(folder: Path) -> dict[str, dict[str, Migration]]:
    """Return the entries of a folder's files by file and id."""
    return {
        path.stem: {entry.id: entry for entry in read_records(path, Migration)}
        for path in sorted(folder.glob("*.jsonl"))
        if path.stem not in NOT_RECORDS
    }


def main(old_folder: Path, new_folder: Path) -> None:
    """Print a table, and the fields that changed."""
    old, new = read(old_folder), read(new_folder)
    place = {name: file for file, entries in new.items() for name in entries}
    before = {name for entries in old.values() for name in entries}
    fields: Counter[str] = Counter()
    print("| file | kept | moved to | left out | added |\n| --- | --- | --- | --- | --- |")
    for file in sorted({*old, *new}):
        mine = old.get(file, {})
        kept = [name for name in mine if place.get(name) == file]
        moved = Counter(place[name] for name in mine if name in place and place[name] != file)
        gone = sum(name not in place for name in mine)
        added = sum(name not in before for name in new.get(file, {}))
        for name in kept:
            one, other = mine[name].model_dump(), new[file][name].model_dump()
            fields.update(field for field in one if one[field] != other[field])
        where = ", ".join(f"{target} {count}" for target, count in moved.items())
        print(f"| {file} | {len(kept)} | {where} | {gone} | {added} |")
    print(f"\nfields that differ in entries kept: {dict(fields.most_common())}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else shipped("data"))
