"""One process with all threads against one process per core: judging recode-tiny's greedy completions of test_generated.

Run: `python benchmarks/judging.py`. The two take turns; it prints medians, their ratio and (slowest - fastest) / median.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from recode.evaluate.judging.judge_pool import JudgePool, sensible
from recode.evaluate.judging.migrations import evaluate, read_split
from recode.models import load, quiet
from recode.rewards import DEFAULT_WEIGHTS

DATA = Path(__file__).resolve().parent.parent / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--entries", type=int, default=240)
    parser.add_argument("--model", default="recode-tiny")
    options = parser.parse_args()
    quiet()
    entries = read_split("test_generated", DATA)[: options.entries]
    loaded = load(options.model)
    taken: dict[str, list[float]] = {"one process": [], "a process a core": []}
    with JudgePool(sensible()) as judges:
        judges.judge(options.model, entries[:64], DEFAULT_WEIGHTS, 100)
        for _ in range(options.runs):
            started = time.monotonic()
            evaluate(*loaded, entries, headroom=100)
            taken["one process"].append(time.monotonic() - started)
            started = time.monotonic()
            judges.judge(options.model, entries, DEFAULT_WEIGHTS, 100)
            taken["a process a core"].append(time.monotonic() - started)
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    for name, seconds in taken.items():
        spread = (max(seconds) - min(seconds)) / medians[name]
        print(f"{name:<17} {medians[name]:6.1f} s (spread {spread:.0%}) for {len(entries)} entries")
    print(f"ratio {medians['a process a core'] / medians['one process']:.2f} with {sensible()} processes")


if __name__ == "__main__":
    main()
