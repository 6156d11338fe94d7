"""How many small programs that a release breaks work after `recode migrate`, judged by running them outside ReCode.

    python benchmarks/breakages_migrated.py [--only NAME,NAME] [--tests]

The programs are those of `breakages/programs.jsonl` that need no server (27 of 29), written after public bug reports. Each is migrated by
rule; its files are then run by `uv run` with the new release, and have to print what the old code prints with the old one. With `--tests`,
migrate is given the program's command; otherwise it runs the scripts and tests that it finds. *False calm* is a program that does not work
although migrate exits with 0. Environments are built from the package index.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from breakages import PROGRAMS, write

UV = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))


def migrated(folder: Path, program: dict[str, Any], with_tests: bool) -> int:
    """Migrate a program in place; return the exit code."""
    command = [
        sys.executable,
        "-m",
        "recode",
        "migrate",
        ".",
        "--to",
        f"{program['library'].lower()}=={program['to']}",
        "--write",
    ]
    command += [word for one in program["new_requires"] for word in ("--new-requires", one)]
    command += ["--tests", program["run"]] if with_tests else []
    environment = {**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False).returncode


def works(folder: Path, program: dict[str, Any]) -> bool:
    """Say whether a program, run with the new release, prints what it printed with the old one; of tests: whether they pass."""
    replaced = {one.split("=")[0].split("<")[0].lower() for one in program["new_requires"]}
    kept = [one for one in program["requires"] if one.split("=")[0].split("<")[0].lower() not in replaced]
    packages = [f"{program['library']}=={program['to']}", *kept, *program["new_requires"]]
    command = [UV, "run", "--quiet", "--no-project", "--isolated", "--python", "3.11"]
    command += [word for one in packages for word in ("--with", one)]
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, *program["run"].split()], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )  # fmt: skip
    return done.returncode == 0 and ("pytest" in program["run"] or done.stdout.split() == program["stdout"].split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of programs, with commas")
    parser.add_argument("--tests", action="store_true", help="give migrate the program's own command")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    counts: Counter[str] = Counter()
    print("| program | library | works | exit code |\n| --- | --- | --- | --- |")
    for line in PROGRAMS.read_text(encoding="utf-8").splitlines():
        program = json.loads(line)
        if not program.get("runnable", True) or (only and program["name"] not in only):
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder, program)
            code = migrated(folder, program, options.tests)
            fine = works(folder, program)
        counts.update(programs=1, works=fine, calm=not fine and code == 0)
        print(f"| {program['name']} | {program['library']} | {'yes' if fine else 'no'} | {code} |", flush=True)
    print(f"{counts['works']} of {counts['programs']} work; false calm: {counts['calm']}")


if __name__ == "__main__":
    main()
