"""How fast `recode scan` is: a project of 100,000 lines, on two cores, as a whole process.

    python benchmarks/scan.py [--lines 100000] [--runs 3] [--to numpy==2.4.6]

The project is made of the programs of `data/sources`: real uses of 26 libraries, as functions in files of some 400 lines,
so most files are parsed and not only looked into for words. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import tomllib
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "data" / "sources"
FILE_LINES = 400


def programs(package: str) -> list[str]:
    """Old programs of all sources as functions, those of one package in every second place."""
    wanted, others = [], []
    for file in sorted(SOURCES.glob("*.toml")):
        source = tomllib.loads(file.read_text(encoding="utf-8"))
        found = [program["old"] for update in source["update"] for program in update["program"]]
        (wanted if source["import_name"] == package else others).extend(found)
    mixed = [one for number, other in enumerate(others) for one in (wanted[number % len(wanted)], other)]
    return [f"def program_{number}():\n{textwrap.indent(one.strip(), '    ')}\n" for number, one in enumerate(mixed)]


def write_project(folder: Path, lines: int, package: str) -> int:
    """Write files until there are so many lines; return how many there are."""
    functions = [one for one in programs(package) if "import *" not in one and "from __future__" not in one]
    total = number = at = 0
    while total < lines:
        parts: list[str] = []
        count = 0
        while count < FILE_LINES:
            parts.append(functions[at % len(functions)])
            count += parts[-1].count("\n") + 2
            at += 1
        text = "\n\n".join(parts)
        path = folder / f"package_{number // 50}" / f"module_{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        total += text.count("\n")
        number += 1
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--to", default="numpy==2.4.6")
    asked = parser.parse_args()
    command = [sys.executable, "-m", "recode", "scan"]
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as name:
        lines = write_project(Path(name), asked.lines, asked.to.partition("==")[0])
        seconds, cpu, found = [], [], 0
        for _ in range(asked.runs):
            before, start = os.times(), time.perf_counter()
            done = subprocess.run(
                [*command, name, "--to", asked.to, "--from", "0.1", "--json", "--fast"],
                capture_output=True, text=True, check=False, preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )  # fmt: skip
            seconds.append(time.perf_counter() - start)
            after = os.times()
            cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
            assert done.returncode in (0, 1), done.stderr
            found = len(json.loads(done.stdout))
    print(
        json.dumps(
            {
                "lines": lines, "to": asked.to, "findings": found, "cores": len(cores), "runs": asked.runs,
                "seconds": [round(one, 2) for one in sorted(seconds)], "median": round(statistics.median(seconds), 2),
                "cpu_seconds": round(statistics.median(cpu), 2), "load": round(os.getloadavg()[0], 1),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
