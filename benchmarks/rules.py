"""What the shipped rules do to the data set's own programs, by running.

    python benchmarks/rules.py [SPLIT ...]

For each program of a split: all rules of its library are applied to the old program where the
pattern names a symbol of the library or the class of the object is seen, and what changed is run in the new release. It is
*repaired* if it verifies as the data set's own new program does, *incomplete* if it still ends as the old program did, and *wrong*
otherwise. Then they are applied to the new program, which needs nothing: it has to print the same. On a test split, rules about an API
that the split holds are left out. Environments and runs are kept below $RECODE_HOME.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from recode.dataset.record_reader import read_recorded
from recode.dataset.sources import UnverifiedEntry
from recode.dataset.verify.entries import environments_of
from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import EnvironmentPair, Runner
from recode.migrate.rules.applying import ReceiverCheck, rewritten
from recode.migrate.rules.learn.building import Verifier, index_of
from recode.migrate.rules.learn.learning import PairOutcome
from recode.migrate.rules.rule import RewriteRule
from recode.migrate.rules.store import shipped_rules
from recode.shipped import shipped

_NAMES = {PairOutcome.VERIFIES: "repaired", PairOutcome.INCOMPLETE: "incomplete", PairOutcome.WRONG: "wrong"}
SPLITS = ("train", "validation", "test_updates", "test_libraries")


def outcome(
    one: UnverifiedEntry, rules: list[RewriteRule], environments: EnvironmentPair, run: Runner
) -> tuple[str, str]:
    """What the rules make of a program, and a detail of what went wrong."""
    entry, index, judge = one.entry, index_of(one.entry.library), Verifier(environments, run)
    again = rewritten(entry.new_code, rules, index, ReceiverCheck.KNOWN)
    if again != entry.new_code and judge(entry, again) is not PairOutcome.VERIFIES:
        return "wrong", f"{entry.id}: the new program does not verify any more"
    text = rewritten(entry.old_code, rules, index, ReceiverCheck.KNOWN)
    if text == entry.old_code:
        return "untouched", ""
    found = judge(entry, text)
    return _NAMES[found], entry.id if found is PairOutcome.WRONG else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", nargs="*", default=list(SPLITS), help="splits of the data set")
    locks, run = shipped(Path("data/locks")), CachedRunner()
    print("| split | programs | rewritten | repaired | incomplete | wrong |\n| --- | --- | --- | --- | --- | --- |")
    for split in parser.parse_args().splits:
        entries = read_recorded(shipped(f"@{split}"), locks)
        environments = environments_of(entries, locks, run)
        counts: Counter[str] = Counter()
        faults = []
        for one in entries:
            rules = [rule for rule in shipped_rules(one.entry.library) if split not in rule.judged_by]
            found, detail = outcome(one, rules, environments[one.releases], run)
            counts[found] += 1
            faults += [detail] if detail else []
        changed = counts["repaired"] + counts["incomplete"] + counts["wrong"]
        print(
            f"| {split} | {len(entries)} | {changed} | {counts['repaired']} | {counts['incomplete']} | {counts['wrong']} |"
        )
        print("\n".join(f"<!-- {fault} -->" for fault in faults), flush=True)


if __name__ == "__main__":
    main()
