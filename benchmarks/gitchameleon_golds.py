"""GitChameleon's own solutions by our judge and by plain pytest in the same environments, outside the sandbox, item by item.

    python benchmarks/gitchameleon_golds.py CHECKOUT [--seconds 120]

Ends with exit code 1 where an available item's solution fails here or plainly; unavailable items that have an environment are listed with the
reason. The solutions and tests are the checkout's:
read them before you run this, since plain pytest isolates nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from recode.errors import EnvironmentBuildError
from recode.evaluate.benchmarks import open_benchmark
from recode.evaluate.benchmarks.gitchameleon import GitChameleon
from recode.evaluate.progress import ignore_progress


def plainly(benchmark: GitChameleon, name: str, seconds: float) -> bool:
    """Say whether pytest passes an item's hidden tests on its solution, in its environment; tests that are all skipped pass nothing."""
    python = benchmark.environment(name).python
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"sample_{name}.py").write_text(benchmark.golds[name], encoding="utf-8")
        (Path(folder) / f"test_sample_{name}.py").write_text(benchmark.tests[name], encoding="utf-8")
        command = [str(python), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"test_sample_{name}.py"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0 and b" passed" in done.stdout


def _word(passed: bool) -> str:
    return "passes" if passed else "fails"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--seconds", type=float, default=120.0, help="limit of a plain run")
    options = parser.parse_args()
    benchmark = open_benchmark("gitchameleon", str(options.checkout))
    assert isinstance(benchmark, GitChameleon)
    benchmark.prepare(ignore_progress)
    counts: Counter[str] = Counter()
    for item in benchmark.items:
        try:
            benchmark.environment(item.id)
        except EnvironmentBuildError:
            counts["no environment for this Python"] += 1
            continue
        (judged,) = benchmark.judge([(item, benchmark.golds[item.id])], lambda n: None)
        ours, plain = judged.outcome == "passed", plainly(benchmark, item.id, options.seconds)
        known = "unavailable" if item.unavailable else "available"
        counts[f"{known}: {_word(ours)} here, {_word(plain)} plainly"] += 1
        if not (ours and plain):
            counts["wrong"] += not item.unavailable
            print(
                f"{item.id} ({item.library}), {known}: here {judged.outcome}, plainly {_word(plain)}; {judged.detail}"
            )
    for what, count in sorted(counts.items()):
        print(f"{count:>4} {what}")
    sys.exit(1 if counts["wrong"] else 0)


if __name__ == "__main__":
    main()
