"""How much longer a program takes when the values of its expressions are recorded, and when they are compared.

    python benchmarks/runs.py

Both programs run with pandas 2.2.3, in an environment built from the package index: one is a loop in plain Python, one works with frames.
CPU time of the command, with and without recording; starting Python and importing pandas is part of it.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

from recode.migrate.project.environments import pinned_environment
from recode.migrate.witnesses.runs.recorded_command import RecordedCommand, Recording
from recode.sandbox.environments import Environment
from recode.sandbox.trees import TreeLimits, run_in_tree

LOOP = """
def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps

print(max(collatz(n) for n in range(1, 40_000)))
"""
FRAMES = """
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(200_000, 8)), columns=list("abcdefgh"))
frame["key"] = rng.integers(0, 50, len(frame))
for name in "abcdefgh":
    means = frame.groupby("key")[name].transform("mean")
    frame[name] = (frame[name] - means).rolling(20).sum().fillna(0)
print(frame.describe().loc["mean"].round(3).to_list())
"""


def seconds(action: Callable[[], object]) -> float:
    """CPU seconds of the processes that an action starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    environment = pinned_environment("pandas", "2.2.3")
    print("| program | plain, s | recorded, s | compared, s |\n| --- | --- | --- | --- |")
    for name, text in (("a loop in plain Python", LOOP), ("frames of 200,000 rows", FRAMES)):
        plain, recorded, compared = measured(text, environment)
        print(f"| {name} | {plain:.1f} | {recorded:.1f} | {compared:.1f} |", flush=True)


def measured(text: str, environment: Environment) -> tuple[float, float, float]:
    """CPU seconds of a program as it is, recorded, and compared."""
    with tempfile.TemporaryDirectory() as folder:
        root, logs, beside, result = (Path(folder) / part for part in ("project", "logs", "beside", "result"))
        for made in (root, logs, beside, result):
            made.mkdir()
        (root / "main.py").write_text(text, encoding="utf-8")
        command = RecordedCommand(root, "python main.py", 600.0)
        recordings: list[Recording] = []
        plain = seconds(
            lambda: run_in_tree(
                root, "python main.py", environment, reviewed=True, beside=beside, result=result, limits=TreeLimits()
            )
        )
        # The command runs twice.
        recorded = seconds(lambda: recordings.append(command.record(environment, logs))) / 2
        compared = seconds(lambda: command.compare(recordings[-1], environment))
        return plain, recorded, compared


if __name__ == "__main__":
    main()
