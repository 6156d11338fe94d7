"""Episodes a second of the multi-turn environment: an answer that fails, what happened, a repair, the grade.

Run: `python benchmarks/environments.py`. Each episode first answers with the old program and then with the gold. Prints episodes a
second with one thread and with one a core, the load of the machine before, and how many repaired episodes did not score 1.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

from recode.environments.episode import Episode
from recode.environments.grading import Grader
from recode.environments.tasks import MigrationTask, load_tasks
from recode.machine import cores
from recode.prompts import response


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="@validation")
    parser.add_argument("--episodes", type=int, default=300)
    options = parser.parse_args()
    found = load_tasks(options.tasks).tasks
    tasks = [found[number % len(found)] for number in range(options.episodes)]
    print(f"load {os.getloadavg()[0]:.1f} on {cores()} cores")
    with Grader() as grader:

        def play(task: MigrationTask) -> float:
            episode = Episode(task, grader)
            step = episode.step(response("", task.entry.old_code))
            if not step.done:
                step = episode.step(response("", task.entry.new_code))
            assert step.grade is not None
            # An old program that only prints something else runs clean, so there is no repair.
            return 1.0 if episode.used == 1 else step.grade.reward or 0.0

        # Environments are built, and fork servers started, before the clock runs.
        for task in {task.entry.library: task for task in tasks}.values():
            play(task)
        for threads in (1, cores()):
            started = time.monotonic()
            with ThreadPoolExecutor(threads) as pool:
                rewards = list(pool.map(play, tasks))
            rate = len(tasks) / (time.monotonic() - started)
            print(
                f"{threads} threads: {rate:.1f} episodes a second; {rewards.count(0.0)} of {len(tasks)} repaired ones below 1"
            )


if __name__ == "__main__":
    main()
