"""`recode scan` and `ruff check --select NPY` on the short programs of the tests, in one run.

    python benchmarks/scan_programs.py

A program's marked lines should be reported, and no other; a line with two marks is beyond ruff's rules (methods, parameters).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from recode.api import move_of, scan_move
from tests.migrate.find.short_programs import read_programs

STYLE = "NPY002"


def main() -> None:
    programs = read_programs("numpy.txt")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, program in enumerate(programs):
            (folder / f"program_{number}.py").write_text(program.text, encoding="utf-8")
        wanted = {(f"program_{number}.py", line) for number, one in enumerate(programs) for line, _ in one.expected}
        beyond = {(f"program_{number}.py", line) for number, one in enumerate(programs) for line in one.beyond}
        result = scan_move(move_of(folder, "numpy==2.4.6", "0.1"), folder, fast=True, workers=1)
        ours = {(finding.file.as_posix(), finding.line) for finding in result.findings}
        done = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "NPY", "--output-format", "json", "--no-cache", name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        rows = [
            row for row in json.loads(done.stdout) if (row["code"] or "").startswith("NPY") and row["code"] != STYLE
        ]
        ruffs = {(Path(row["filename"]).name, row["location"]["row"]) for row in rows}
    print(f"{len(programs)} programs, {len(wanted)} lines to be reported, {len(beyond)} of them beyond ruff's rules\n")
    print("| | reported | right | wrong | missed |\n| --- | --- | --- | --- | --- |")
    for label, found in (("recode scan", ours), ("ruff --select NPY", ruffs)):
        print(f"| {label} | {len(found)} | {len(found & wanted)} | {len(found - wanted)} | {len(wanted - found)} |")
    print(f"\nright in ruff and not reported by scan: {sorted((ruffs & wanted) - ours)}")
    print(f"wrong in scan: {sorted(ours - wanted)}; wrong in ruff: {len(ruffs - wanted)}")
    for file, line in sorted(ruffs - ours):
        number = int(file.removeprefix("program_").removesuffix(".py"))
        print(f"only ruff: {programs[number].name}: {programs[number].text.splitlines()[line - 1].strip()}")


if __name__ == "__main__":
    main()
