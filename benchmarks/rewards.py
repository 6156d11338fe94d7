"""What the reward costs: the edit term against a plain Levenshtein table, and the terms' share of a training step.

Run: `python benchmarks/rewards.py --step-seconds 1.7`. Every figure is the median of several runs, each with the terms'
caches emptied first. `spread` is (slowest - fastest) / median without the extreme tenths. Times are CPU seconds
of this process, which uses one core, so other load on the machine does not count.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from recode.prompts import response
from recode.records import read_jsonl
from recode.rewards import FAMILIES, answer, copy_baseline, edit, normal_form, score
from recode.source import clean, parses

STATEMENTS = (
    "{a} = {b}.{c}({d}, axis={n})",
    "for {a} in {b}.{c}({d}):",
    "    {a}.append({b}[{n}])",
    "if {a} > {n} and {b} is not None:",
    "    {c}('{d}', {a}, {b}={n})  # {c} of {a}",
    'print(f"{{{a}}} {{{b}:.2f}}")',
)
WORDS = [
    "frame",
    "series",
    "index",
    "values",
    "result",
    "total",
    "column",
    "weights",
    "group",
    "window",
    "label",
    "batch",
]


def program(characters: int, rng: random.Random) -> str:
    """Return a program of about that many characters that parses."""
    lines: list[str] = []
    while sum(map(len, lines)) + len(lines) < characters:
        names = {key: rng.choice(WORDS) for key in "abcd"}
        line = rng.choice(STATEMENTS).format(**names, n=rng.randrange(100))
        if lines and lines[-1].endswith(":"):
            line = "    " + line.strip().removesuffix(":")
            line = line.replace("for ", "").replace("if ", "").replace(" in ", " = ")
        elif line.startswith("    "):
            line = line.strip()
        lines.append(line)
    if lines[-1].endswith(":"):
        lines.append("    pass")
    return "\n".join(lines)


def near(code: str, rng: random.Random) -> str:
    """Return the code with one word in about 200 characters renamed, as a migration does."""
    for _ in range(max(1, len(code) // 200)):
        code = code.replace(rng.choice(WORDS), "renamed", 1)
    return code


def table_distance(one: str, other: str) -> int:
    """Return the Levenshtein distance by the textbook table, row by row, in plain Python."""
    above = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        row = [i]
        for j, right in enumerate(other, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right)))
        above = row
    return above[-1]


def seconds(work: Callable[[], object], runs: int, gold: str = "") -> list[float]:
    """Time `work` in CPU seconds, each run with a cache that holds only `gold`, which a whole group shares."""
    taken = []
    for _ in range(runs):
        for cached in (answer._program, answer._answer, normal_form._cached):
            cached.cache_clear()
        answer.program(gold)
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return taken


def compare(characters: int, kind: str, rng: random.Random, runs: int) -> None:
    """Print one row: the table, the distance and the whole edit term, on one pair of programs."""
    gold = program(characters, rng)
    out = near(gold, rng) if kind == "near" else program(characters, rng)
    if not (parses(gold) and parses(out)):
        raise SystemExit("the generated programs must parse")
    completion = response("I follow the note.", out)
    one, other = clean(out), clean(gold)
    if abs(edit.similarity(one, other) - (1 - table_distance(one, other) / max(len(one), len(other)))) > 1e-12:
        raise SystemExit("the two distances differ")
    table = seconds(lambda: table_distance(one, other), runs)
    distance = seconds(lambda: edit.similarity(one, other), runs * 20)
    term = seconds(lambda: edit.score(completion, gold), runs * 20, gold)
    slow, fast, all_of_it = (statistics.median(taken) for taken in (table, distance, term))
    print(
        f"{characters:>6,} {kind:<5} table {slow * 1e3:8.2f} ms (spread {spread(table):4.0%})"
        f" | distance {fast * 1e6:7.1f} us (spread {spread(distance):5.0%}) {slow / fast:9,.0f}x"
        f" | whole term {all_of_it * 1e6:7.1f} us (spread {spread(term):5.0%}) {slow / all_of_it:7,.0f}x"
    )


def spread(taken: list[float]) -> float:
    """Return (slowest - fastest) / median without the slowest and fastest tenth."""
    kept = sorted(taken)[len(taken) // 10 : len(taken) - len(taken) // 10]
    return (kept[-1] - kept[0]) / statistics.median(kept)


def step(characters: int, step_seconds: float, rng: random.Random) -> None:
    """Print what all terms together cost for a step of 8 prompts x 8 samples, all samples different."""
    golds = [program(characters, rng) for _ in range(8)]
    batch = [
        (response("t", f"{near(gold, rng)}\nprint({sample})"), gold, near(gold, rng))
        for gold in golds
        for sample in range(8)
    ]
    taken = seconds(lambda: [score(*row) for row in batch], 15)
    median = statistics.median(taken)
    print(
        f"{characters:>6,} characters: 64 completions, every term {median * 1e3:6.1f} ms (spread {spread(taken):4.0%})"
        f" = {median / step_seconds:.2%} of a step of {step_seconds:g} s"
    )


def baselines(folder: Path) -> None:
    """Print what copying the old code unchanged scores on each data file, the mean of every term."""
    for path in sorted(folder.glob("*.jsonl")):
        rows = [row for _, row in read_jsonl(path) if {"old_code", "new_code"} <= row.keys()]
        scores = [copy_baseline(row["new_code"], row["old_code"]) for row in rows]
        graded = [row for row in scores if row.total is not None]
        if graded:
            names = (*FAMILIES["strict"], "total")
            means = {name: statistics.fmean(row[name] or 0.0 for row in graded) for name in names}
            shown = "  ".join(f"{name} {mean:.2f}" for name, mean in means.items())
            print(f"{path.name}: copying scores {shown}  ({len(graded)} of {len(rows)} rows gradable)")


def main() -> None:
    """Print every figure in one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # A CPU step of 64 completions of a 2M-parameter model, the smallest that this project trains.
    parser.add_argument("--step-seconds", type=float, default=1.7, help="measured wall seconds of one training step")
    parser.add_argument("--runs", type=int, default=5, help="runs of the table for each pair")
    options = parser.parse_args()
    rng = random.Random(42)
    for characters in (300, 1500):
        for kind in ("near", "other"):
            compare(characters, kind, rng, options.runs)
    for characters in (300, 1500):
        step(characters, options.step_seconds, rng)
    baselines(Path(__file__).resolve().parent.parent / "data")


if __name__ == "__main__":
    main()
