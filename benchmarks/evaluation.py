"""Judging, timed: HumanEval samples by EvalPlus's evaluator and by ours, CodeUpdateArena items by a process per unit test and by ours.

    python benchmarks/evaluation.py HumanEval.jsonl.gz [--samples 10] [--repeats 3] [--evalplus PYTHON]

Both judge the same completions, in one run, with as many workers as there are cores; they take turns. EvalPlus comes from PyPI, unmodified
(`pip install evalplus`, possibly in another environment whose Python is named). It is given HumanEval in its own format: the inputs are those
that HumanEval's tests put to the references, recorded here, and its expected values are computed and cached before the clock starts. The second
part needs no file: it takes the project's own items.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recode.evaluate.benchmarks import open_benchmark
from recode.evaluate.benchmarks.codeupdatearena import CodeUpdateArena
from recode.evaluate.benchmarks.humaneval import HumanEval, HumanEvalProblem
from recode.sandbox.levels import best_level

CORES = len(os.sched_getaffinity(0))
_DRIVER = """
import contextlib, io, json, sys, time
from evalplus.data import get_human_eval_plus, get_human_eval_plus_hash
from evalplus.evaluate import evaluate, get_groundtruth
with contextlib.redirect_stdout(io.StringIO()):
    get_groundtruth(get_human_eval_plus(), get_human_eval_plus_hash(), [])
    began = time.perf_counter()
    evaluate("humaneval", sys.argv[1], base_only=True, parallel=int(sys.argv[2]), i_just_wanna_run=True)
    took = time.perf_counter() - began
print(json.dumps(took), flush=True)
"""


def completions(benchmark: HumanEval, samples: int) -> list[tuple[str, str]]:
    """For each problem a third of wrong answers among references that differ in a comment."""
    made = []
    for name, problem in benchmark.problems.items():
        for number in range(samples):
            wrong = number % 3 == 2
            made.append((name, "    return None\n" if wrong else f"{problem.canonical_solution}    # {number}\n"))
    return made


def recorded(problem: HumanEvalProblem) -> list[list[object]]:
    """The inputs that a problem's test puts to its reference (reviewed code, run here)."""
    namespace: dict[str, object] = {}
    exec(problem.prompt + problem.canonical_solution, namespace)
    reference, inputs = namespace[problem.entry_point], []

    def keep(*args: object) -> object:
        inputs.append(list(copy.deepcopy(args)))
        return reference(*args)  # type: ignore[operator]

    exec(problem.test, namespace)
    namespace["check"](keep)  # type: ignore[operator]
    return inputs


def evalplus(python: str, benchmark: HumanEval, made: list[tuple[str, str]], folder: Path) -> tuple[float, list[bool]]:
    """Seconds, and the verdicts in order."""
    data, samples = folder / "problems.jsonl", folder / "samples.jsonl"
    with data.open("w") as file:
        for name, p in benchmark.problems.items():
            row = {
                "task_id": name, "prompt": p.prompt, "entry_point": p.entry_point, "canonical_solution": p.canonical_solution, "contract": "",
                "base_input": recorded(p), "plus_input": [], "atol": 1e-4 if name == "HumanEval/32" else 0,
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    with samples.open("w") as file:
        for name, text in made:
            file.write(json.dumps({"task_id": name, "completion": text}) + "\n")
    variables = {**os.environ, "HUMANEVAL_OVERRIDE_PATH": str(data), "PYTHONPATH": "", "XDG_CACHE_HOME": str(folder)}
    done = subprocess.run(
        [python, "-c", _DRIVER, str(samples), str(CORES)], capture_output=True, text=True, env=variables, check=False
    )
    if done.returncode:
        raise SystemExit(f"EvalPlus failed: {done.stderr[-2000:]}")
    results = json.loads((folder / "samples_eval_results.json").read_text())["eval"]
    verdicts = {name: iter(rows) for name, rows in results.items()}
    return json.loads(done.stdout.splitlines()[-1]), [next(verdicts[name])["base_status"] == "pass" for name, _ in made]


def ours(benchmark: HumanEval, made: list[tuple[str, str]]) -> tuple[float, list[bool]]:
    """Seconds, fork servers' start included, and the verdicts in order."""
    items = {item.id: item for item in benchmark.items}
    began = time.perf_counter()
    judged = benchmark.judge([(items[name], text) for name, text in made], lambda n: None)
    return time.perf_counter() - began, [one.outcome == "passed" for one in judged]


DECODINGS = 5
"""Answers an item, as the benchmark has it: the reference, each time with another comment."""


def decodings(reference: str) -> list[str]:
    return [f"{reference}\n# {number}\n" for number in range(DECODINGS)]


def plain_arena(arena: CodeUpdateArena) -> list[bool]:
    """Every answer against every test with and without the update, a process each; whether it needs the update."""

    def run(program: str) -> bool:
        return (
            subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120, check=False).returncode
            == 0
        )

    found = []
    with ThreadPoolExecutor(CORES) as pool:
        for line in arena.lines.values():
            for answer in decodings(line.ref_solution):
                start = {updated: f"{line.before(updated)}\n{answer}\n{line.unit_tests}\n" for updated in (True, False)}
                names = line.tests()
                passed = list(
                    pool.map(run, [f"{start[updated]}{name}()" for updated in (True, False) for name in names])
                )
                found.append(all(passed[: len(names)]) and not all(passed[len(names) :]))
    return found


def our_arena(arena: CodeUpdateArena) -> list[bool]:
    items = {item.id: item for item in arena.items}
    asked = [(items[name], answer) for name, line in arena.lines.items() for answer in decodings(line.ref_solution)]
    judged = arena.judge(asked, lambda n: None)
    return [one.scores["update"] == 1.0 for one in judged]


def timed(work: Callable[[], list[bool]]) -> tuple[float, list[bool]]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def shown(name: str, times: list[float], base: list[float], what: str) -> None:
    middle = statistics.median(times)
    print(
        f"{name:<34} {middle:8.2f} s ({min(times):.2f} to {max(times):.2f})  {statistics.median(base) / middle:6.2f}x {what}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("humaneval", nargs="?")
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--evalplus", default=sys.executable, help="the Python of an environment with evalplus")
    options = parser.parse_args()
    print(f"{CORES} cores, median of {options.repeats} (range); ours: {best_level()}")
    if options.humaneval:
        benchmark = HumanEval.open("humaneval", options.humaneval, Path("data"))
        made = completions(benchmark, options.samples)
        print(f"\nHumanEval, {len(made)} samples of {len(benchmark.items)} problems")
        theirs, mine = [], []
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory() as folder:
                seconds, verdicts = evalplus(options.evalplus, benchmark, made, Path(folder))
            theirs.append(seconds)
            seconds, own = ours(benchmark, made)
            mine.append(seconds)
            differ = [name for (name, _), a, b in zip(made, verdicts, own, strict=True) if a != b]
            print(f"verdicts that differ: {len(differ)} of {len(made)} {sorted(set(differ))[:8]}")
        shown("EvalPlus's evaluator", theirs, theirs, "EvalPlus")
        shown("recode", mine, theirs, "EvalPlus")
    plain, mine = [], []
    for _ in range(options.repeats):
        # A fresh one: what it finds out about its items is part of its work.
        arena = open_benchmark("codeupdatearena")
        assert isinstance(arena, CodeUpdateArena)
        for work, times in ((plain_arena, plain), (our_arena, mine)):
            seconds, found = timed(functools.partial(work, arena))
            times.append(seconds)
            print(f"{work.__name__}: {sum(found)} of {len(found)} answers need the update")
    print(f"\nCodeUpdateArena's format, {len(arena.items)} items, {DECODINGS} answers each")
    shown("a process for each unit test", plain, plain, "plain")
    shown("recode", mine, plain, "plain")


if __name__ == "__main__":
    main()
