"""Every number of docs/data.md about what the set holds: sizes, kinds, difficulty, levels of notes, no-ops, leaks.

    python benchmarks/data_set.py

A *place* is a run of changed lines with unchanged ones around it. Tokens are Python's. A *single rename* puts one name in the place of
another, once. The string test edits if the old name occurs in the code.
"""

from __future__ import annotations

import difflib
import io
import re
import statistics
import tokenize
import tomllib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from recode.dataset.leaks import edits, leaks
from recode.dataset.note_levels import LEVELS, UpdateNotes, at_level, read_notes
from recode.records import Migration, read_records
from recode.shipped import shipped
from recode.source import clean

SPLITS = ("train", "validation", "test_updates", "test_libraries")
COMPOSED = tuple(f"{split}_composed" for split in SPLITS)
EASY_NO_OPS, HARD_NO_OPS = ("no_op_train", "no_op"), ("no_op_hard_train", "no_op_hard")
OUTCOMES = ("prints_differently", "warns", "raises")
CUT_OFFS = ("2024-01-01", "2025-01-01", "2025-07-01", "2026-01-01")
NAME = re.compile(r"[A-Za-z_]\w*")


def main() -> None:
    """Print all tables in Markdown."""
    data = shipped("data")
    files = {
        name: read_records(data / f"{name}.jsonl", Migration)
        for name in (*SPLITS, *COMPOSED, *EASY_NO_OPS, *HARD_NO_OPS)
    }
    notes = read_notes(data)
    single = {name: files[name] for name in SPLITS}
    libraries(single, data / "sources")
    what_they_are(single)
    sizes(files)
    difficulty(files)
    levels(files, notes)
    dates(files, notes)
    no_ops(files)
    trained = [entry for name in (*SPLITS[:2], *COMPOSED[:2]) for entry in files[name]]
    tested = [entry for name in (*SPLITS[2:], *COMPOSED[2:]) for entry in files[name]]
    print(f"\nshared with training: {dict(Counter(leak.shared for leak in leaks(trained, tested, notes)))}")


def libraries(splits: dict[str, list[Migration]], sources: Path) -> None:
    """Print entries, and families in brackets, of each library in each split."""
    releases = {}
    for file in sources.glob("*.toml"):
        source = tomllib.loads(file.read_text(encoding="utf-8"))
        releases[source["library"]] = f"{source['old_version']} → {source['new_version']}"
    counts = Counter(entry.library for split in splits.values() for entry in split)
    print("| library | releases | " + " | ".join(SPLITS) + " |\n| --- | --- |" + " --- |" * len(SPLITS))
    for library, _ in counts.most_common():
        cells = []
        for split in splits.values():
            mine = [entry.family_id for entry in split if entry.library == library]
            cells.append(f"{len(mine)} ({len(set(mine))})" if mine else "")
        print(f"| {library} | {releases[library]} | " + " | ".join(cells) + " |")
    totals = (f"**{len(split)}** ({len({entry.family_id for entry in split})})" for split in splits.values())
    print("| **all** | | " + " | ".join(totals) + " |")


def what_they_are(splits: dict[str, list[Migration]]) -> None:
    """Print outcomes, kinds, evidence and authors of the entries of one update each."""
    entries = [entry for split in splits.values() for entry in split]
    families = defaultdict(list)
    for entry in entries:
        families[entry.family_id].append(entry)
    # A family counts by the clearest of what its old programs do.
    outcomes = Counter(
        max((one.old_on_new.outcome for one in family if one.old_on_new), key=OUTCOMES.index)
        for family in families.values()
    )
    silent = sum(entry.old_on_new is not None and entry.old_on_new.outcome == "prints_differently" for entry in entries)
    named = sum(
        any(word in quote.quote for quote in family[0].evidence for word in family[0].old_symbol.words | family[0].new_symbol.words)
        for family in families.values()
    )  # fmt: skip
    print(f"\n{len(entries)} entries, {len(families)} families; families by outcome: {dict(outcomes)}")
    print(f"entries whose old program prints something else (silent changes): {silent}")
    print(
        f"families without a quote: {sum(not family[0].evidence for family in families.values())}; with one that names the API: {named}"
    )
    print(f"families with three programs or more: {sum(len(family) > 2 for family in families.values())}")
    print(f"entries by kind: {dict(Counter(entry.kind for entry in entries).most_common())}")
    print(f"entries by author: {dict(Counter(entry.author for entry in entries))}")


def sizes(files: dict[str, list[Migration]]) -> None:
    """Print how many entries there are to train on and to test on, and the largest library's share."""
    trained = sum(len(files[name]) for name in ("train", "train_composed"))
    unchanged = sum(len(files[name]) for name in ("no_op_train", "no_op_hard_train"))
    tested = sum(len(files[name]) for name in (*SPLITS[2:], *COMPOSED[2:]))
    everything = [entry for name in (*SPLITS, *COMPOSED) for entry in files[name]]
    most, count = Counter(entry.library for entry in everything).most_common(1)[0]
    alternatives = sum(bool(entry.alternatives) for entry in everything)
    print(f"\nto train on: {trained} migrations and {unchanged} no-ops; real test splits: {tested} migrations")
    print(
        f"libraries: {len({entry.library for entry in everything})}; the largest, {most}: {count / len(everything):.0%}"
    )
    print(f"entries with further right answers: {alternatives}")


def difficulty(files: dict[str, list[Migration]]) -> None:
    """Print places, lines, tokens and single renames of each split and of all together."""
    print(
        "\n| entries | n | two places or more | 20 to 80 lines | composed | single renames | lines | tokens edited | note, words |"
    )
    print("| --- |" + " --- |" * 8)
    rows = {name: files[name] for name in (*SPLITS, *COMPOSED)}
    rows["**all migrations**"] = [entry for entries in rows.values() for entry in entries]
    for name, entries in rows.items():
        count = len(entries)
        if not count:
            continue
        several = sum(places(entry) > 1 for entry in entries)
        long = sum(20 <= entry.old_code.count("\n") <= 80 for entry in entries)
        renames = sum(is_single_rename(entry) for entry in entries)
        lines = statistics.median(entry.old_code.count("\n") for entry in entries)
        edited = statistics.median(sum(len(new.split()) for _, new in edits(entry)) for entry in entries)
        words = statistics.median(len(entry.update_info.split()) for entry in entries)
        print(
            f"| {name} | {count} | {several / count:.0%} | {long / count:.0%} | {sum(bool(one.parts) for one in entries) / count:.0%} | "
            f"{renames / count:.0%} | {lines:g} | {edited:g} | {words:g} |"
        )


def places(entry: Migration) -> int:
    """Return the number of runs of changed lines; imports are places too."""
    old, new = clean(entry.old_code).splitlines(), clean(entry.new_code).splitlines()
    return sum(code[0] != "equal" for code in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes())


def is_single_rename(entry: Migration) -> bool:
    """Say whether one name is put in the place of another, once."""
    old, new = (
        [token.string for token in tokenize.generate_tokens(io.StringIO(clean(code)).readline)]
        for code in (entry.old_code, entry.new_code)
    )
    changed = [(one, other) for one, other in zip(old, new, strict=False) if one != other]
    return len(old) == len(new) and len(changed) == 1 and all(NAME.fullmatch(token) for token in changed[0])


def levels(files: dict[str, list[Migration]], notes: dict[str, UpdateNotes]) -> None:
    """Print how many entries of each file have each level, and the median length of the notes there."""
    print("\n| notes at | " + " | ".join(LEVELS) + " |\n| --- |" + " --- |" * len(LEVELS))
    for name, entries in files.items():
        cells = []
        for level in LEVELS:
            found = [one for entry in entries if (one := at_level(entry, level, notes))]
            words = statistics.median(len(one.update_info.split()) for one in found) if found else 0
            cells.append(f"{len(found)} ({words:g} words)" if level != "none" else str(len(found)))
        print(f"| {name} | " + " | ".join(cells) + " |")
    lacking = {level: sum(not one.text(level) for one in notes.values()) for level in ("bullet", "section", "api")}
    print(
        f"\nof {len(notes)} updates, releases give no {', '.join(f'{level} for {count}' for level, count in lacking.items())}"
    )


def dates(files: dict[str, list[Migration]], notes: dict[str, UpdateNotes]) -> None:
    """Print how many test entries are about changes released on or after some days."""
    tested = [entry for name in (*SPLITS[2:], *COMPOSED[2:]) for entry in files[name]]
    released = [
        min((notes[family].released if family in notes else "") for family in entry.families) for entry in tested
    ]
    after = ", ".join(f"{day}: {sum(one >= day for one in released)}" for day in CUT_OFFS)
    print(f"\nupdates with a date: {sum(bool(one.released) for one in notes.values())} of {len(notes)}")
    print(f"test entries whose changes were all released on or after {after}")


def no_ops(files: dict[str, list[Migration]]) -> None:
    """Print the kinds of no-ops, and how often the string test is right."""
    every = [entry for name in (*EASY_NO_OPS, *HARD_NO_OPS) for entry in files[name]]
    kinds = Counter(entry.unchanged_because for entry in every)
    print(f"\nno-ops: {dict(kinds.most_common())}; hard: {1 - kinds['unconcerned'] / len(every):.0%}")
    for name, migrations, unchanged in (
        ("training", ("train", "train_composed"), ("no_op_train", "no_op_hard_train")),
        ("test", (*SPLITS[2:], *COMPOSED[2:]), ("no_op", "no_op_hard")),
    ):
        entries = [entry for file in (*migrations, *unchanged) for entry in files[file]]
        right = sum(string_test(entry) == (entry.kind != "no_op") for entry in entries)
        print(
            f"`edit if the old name occurs` is right on {right / len(entries):.0%} of the {len(entries)} entries of {name}"
        )


def string_test(entry: Migration) -> bool:
    """Say whether a part of an old name occurs in the code."""
    updates: Sequence = entry.parts or (entry,)
    words = set(NAME.findall(entry.old_code))
    return any(leaf in words for update in updates for leaf in update.old_symbol.leaves)


if __name__ == "__main__":
    main()
