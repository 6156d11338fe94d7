"""Recall and precision of `recode collect` on pairs of releases that no update source uses.

    python benchmarks/collect.py              # collects the five pairs (needs the package index) and scores them
    python benchmarks/collect.py --to-judge   # prints the sampled families that have not been judged yet

Recall is over lists of breaking changes that were read out of release notes before anything was collected:
`breaking_changes/<library>.toml`. Precision is over families drawn by a hash of their names, at most `SAMPLE` of each library and confidence,
each judged by reading (right: it happened as reported, and the first quote is about it): `breaking_changes/judged.jsonl`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from recode.collect.collector import CollectRequest, collect
from recode.collect.join.families import UpdateFamily

HERE = Path(__file__).parent / "breaking_changes"
SAMPLE = 8
GONE = {"renamed", "moved", "replaced", "removed"}
PARAMETER_GONE = {"parameter_removed", "parameter_renamed"}


def parts(symbol: str) -> tuple[str, frozenset[str]]:
    path, _, parameters = symbol.partition("(")
    return path, frozenset(re.findall(r"[A-Za-z_]\w*", parameters))


def same_path(one: str, two: str) -> bool:
    """Paths differ by where a class is imported from: its name and what follows it count, within one top-level package."""
    mine, other = one.split("."), two.split(".")
    if mine[0] != other[0]:
        return False
    start = next((index for index, part in enumerate(mine) if part[:1].isupper()), len(mine) - 1)
    tail = mine[start:]
    return other[-len(tail) :] == tail


def same_kind(listed: str, found: str) -> bool:
    return listed == found or any(listed in group and found in group for group in (GONE, PARAMETER_GONE))


def matches(kind: str, symbol: str, family: UpdateFamily) -> bool:
    path, parameters = parts(symbol)
    for other in (family.update.old_symbol, *family.also):
        other_path, other_parameters = parts(other)
        if same_kind(kind, family.update.kind) and same_path(path, other_path) and parameters <= other_parameters:
            return True
    return False


def names_replacement(new: str, family: UpdateFamily) -> bool:
    path, parameters = parts(new)
    found, found_parameters = parts(family.update.new_symbol)
    if parameters and family.also:
        return parameters <= found_parameters
    return bool(found) and found.rpartition(".")[2] == path.rpartition(".")[2] and parameters <= found_parameters


def collected() -> dict[str, tuple[dict[str, Any], tuple[UpdateFamily, ...], float]]:
    results = {}
    for file in sorted(HERE.glob("*.toml")):
        listed = tomllib.loads(file.read_text(encoding="utf-8"))
        request = CollectRequest(
            listed["library"], listed["old_version"], listed["new_version"], None, tuple(listed["old_requires"])
        )
        done = collect(request)
        results[request.library] = (listed, done.families, done.seconds)
    return results


def key(library: str, family: UpdateFamily) -> str:
    update = family.update
    return f"{library} {update.kind} {update.old_symbol} -> {update.new_symbol}"


def sample(library: str, families: Iterable[UpdateFamily]) -> list[UpdateFamily]:
    groups: dict[str, list[UpdateFamily]] = defaultdict(list)
    for one in sorted(families, key=lambda one: hashlib.sha256(one.update.old_symbol.encode()).hexdigest()):
        if len(groups[one.confidence]) < SAMPLE:
            groups[one.confidence].append(one)
    return [one for group in groups.values() for one in group]


def judged() -> dict[str, bool]:
    file = HERE / "judged.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {one["family"]: one["right"] for one in map(json.loads, lines)}


def recall_table(results: dict[str, tuple[dict[str, Any], tuple[UpdateFamily, ...], float]], console: Console) -> None:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for library, (listed, families, _) in results.items():
        for kind, old, new in listed["changes"]:
            hits = [one for one in families if matches(kind, old, one)]
            if not hits:
                console.print(f"missed: {library} {kind} {old}", style="dim", markup=False)
            for row in (kind, f"[{library}]", "all"):
                counts[row][0] += 1
                counts[row][1] += bool(hits)
                counts[row][2] += bool(new)
                counts[row][3] += bool(new) and any(names_replacement(new, one) for one in hits)
    table = Table("", "listed", "found", "recall", "with a replacement", "right replacement", title="recall")
    for row, (total, found, named, right) in sorted(counts.items()):
        table.add_row(row.strip("[]"), str(total), str(found), f"{found / total:.0%}", str(named), str(right))
    console.print(table)


def precision_table(
    results: dict[str, tuple[dict[str, Any], tuple[UpdateFamily, ...], float]], console: Console
) -> None:
    verdicts, unjudged = judged(), 0
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for library, (_, families, _) in results.items():
        for one in sample(library, families):
            verdict = verdicts.get(key(library, one))
            if verdict is None:
                unjudged += 1
                continue
            for row in (one.update.kind, f"[{library}]", f"confidence {one.confidence}", "all"):
                counts[row][0] += 1
                counts[row][1] += verdict
    table = Table("", "judged", "right", "precision", title="precision")
    for row, (total, right) in sorted(counts.items()):
        table.add_row(row.strip("[]"), str(total), str(right), f"{right / total:.0%}")
    console.print(table)
    if unjudged:
        console.print(f"{unjudged} sampled families are not judged yet: --to-judge prints them")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--to-judge", action="store_true", help="print sampled families without a verdict, as JSON lines"
    )
    arguments = parser.parse_args()
    results, console = collected(), Console()
    if arguments.to_judge:
        known = judged()
        for library, (_, families, _) in results.items():
            for one in sample(library, families):
                if key(library, one) not in known:
                    proof = [f"{e.source} {e.package_version} {e.file}:{e.line} {e.quote}" for e in one.update.evidence]
                    print(json.dumps({"family": key(library, one), "confidence": one.confidence, "evidence": proof}))
        return
    for library, (listed, families, seconds) in results.items():
        sure = sum(one.confidence != "low" for one in families)
        releases = f"{listed['old_version']} → {listed['new_version']}"
        console.print(
            f"{library} {releases}: {len(families)} families, {sure} of high or medium confidence, {seconds:.0f} s"
        )
    recall_table(results, console)
    precision_table(results, console)


if __name__ == "__main__":
    sys.exit(main())
