"""What needs no model: copying, a regular expression on note and code, and `recode migrate` by its rules, on the test splits by level.

    python benchmarks/baselines.py [--run] [--on SPLIT ...]

Exact is by syntax tree. With `--run` every answer that differs from the old code also runs on the new release, which takes minutes.
`recode migrate` reads no note, so its row is the same at every level; what it knows of the libraries includes the updates of the test
splits (docs/migrate.md), so its row says what the tool does for a user, not how it would do on unseen updates.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.first_guess import first_guess
from recode.api import migrate_project
from recode.dataset.note_levels import NoteLevel, at_level, read_notes
from recode.evaluate.benchmarks import open_benchmark
from recode.evaluate.benchmarks.migrations import Migrations
from recode.migrate.result import MigrateOptions
from recode.prompts import response
from recode.records import Migration, read_records
from recode.rewards import same_program
from recode.shipped import shipped

SPLITS = (
    "test_updates", "test_libraries", "test_updates_composed", "test_libraries_composed", "no_op", "no_op_hard",
)  # fmt: skip
NOTED: tuple[NoteLevel, ...] = ("tailored", "bullet", "section", "api")

Answer = Callable[[Migration], str]


def by_rules(entries: Sequence[Migration]) -> dict[str, str]:
    """Return what `recode migrate` makes of each entry's old program without a model: id → program."""
    groups: dict[tuple[str, str, str], list[Migration]] = defaultdict(list)
    for entry in entries:
        groups[entry.library, entry.old_version, entry.new_version].append(entry)
    answers = {entry.id: entry.old_code for entry in entries}
    for (library, old, new), group in groups.items():
        if old == new:
            continue
        with tempfile.TemporaryDirectory() as name:
            files = {f"program_{number}.py": entry for number, entry in enumerate(group)}
            for file, entry in files.items():
                (Path(name) / file).write_text(entry.old_code, encoding="utf-8")
            options = MigrateOptions(environments=False)
            result = migrate_project(Path(name), to=f"{library}=={new}", from_=old, options=options)
            for rewritten in result.files():
                answers[files[str(rewritten.path)].id] = rewritten.new.decode()
    return answers


def judged(entries: Sequence[Migration], answer: Answer, benchmark: Migrations | None) -> str:
    """Return a cell: the share of exact answers and, with a benchmark to run them, of those that behave as they should."""
    if not entries:
        return "– (0)"
    answers = [(entry, answer(entry)) for entry in entries]
    exact = sum(
        any(same_program(text, gold) for gold in (entry.new_code, *entry.alternatives)) for entry, text in answers
    )
    cell = f"{exact / len(entries):.1%}"
    if benchmark is not None:
        items = {item.id: item for item in benchmark.items}
        verdicts = benchmark.judge([(items[entry.id], response("", text)) for entry, text in answers], lambda _: None)
        ran = [score for one in verdicts if (score := one.scores.get("execution")) is not None]
        cell += f", runs {sum(ran) / len(ran):.1%}" if ran else ", not run"
    return f"{cell} ({len(entries)})"


def main() -> None:
    """Print one table for each split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--on", nargs="*", default=SPLITS)
    given = parser.parse_args()
    data = shipped("data")
    notes = read_notes(data)
    print(
        "| split | level | copying | regular expression | `recode migrate`, rules alone |\n| --- | --- | --- | --- | --- |"
    )
    for split in given.on:
        entries = read_records(data / f"{split}.jsonl", Migration)
        opened = open_benchmark(split) if given.run else None
        benchmark = opened if isinstance(opened, Migrations) else None
        rules = by_rules(entries)
        copied = judged(entries, lambda entry: entry.old_code, benchmark)
        migrated = judged(entries, lambda entry: rules[entry.id], benchmark)  # noqa: B023
        for level in NOTED:
            found = [one for entry in entries if (one := at_level(entry, level, notes))]
            guessed = judged(found, lambda entry: first_guess(entry.update_info, entry.old_code), benchmark)
            shown = (copied, migrated) if level == NOTED[0] else ("″", "″")
            print(f"| {split} | {level} | {shown[0]} | {guessed} | {shown[1]} |", flush=True)


if __name__ == "__main__":
    main()
