"""What each witness of `recode scan` sees of small programs that a release breaks.

    python benchmarks/breakages.py [--only NAME,NAME] [--run]

`breakages/programs.jsonl` has 29 programs written after public bug reports, with the lines that break. Environments are built from
the package index and kept below $RECODE_HOME. With `--run`, each program that can run without a server runs in both releases.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from recode.api import move_of, scan_move
from recode.errors import RecodeError
from recode.migrate.find.findings import ScanResult, Witness

PROGRAMS = Path(__file__).with_name("breakages") / "programs.jsonl"


def write(folder: Path, program: dict[str, Any]) -> None:
    for name, text in program["files"].items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    requirements = [f"{program['library']}=={program['from']}", *program["requires"]]
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")


def scanned(program: dict[str, Any], with_run: bool) -> ScanResult | str:
    """The findings, or why nothing could be compared."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, program)
        try:
            move = move_of(folder, f"{program['library'].lower()}=={program['to']}")
            run = [program["run"]] if with_run and program.get("runnable", True) else []
            return scan_move(move, folder, workers=1, run=run, run_seconds=60.0)
        except RecodeError as error:
            return str(error)


def seen_by(program: dict[str, Any], use: dict[str, str], result: ScanResult) -> frozenset[Witness]:
    text = program["files"][use["file"]]
    lines = {number for number, line in enumerate(text.splitlines(), start=1) if use["contains"] in line}
    here = [one for one in result.findings if one.file.as_posix() == use["file"] and one.line in lines]
    return frozenset(witness for finding in here for witness in finding.witnesses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of programs, with commas")
    parser.add_argument("--run", action="store_true", help="run the programs, too")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    counts: Counter[str] = Counter()
    missed: list[str] = []
    columns = ("uses", "knowledge", "types", *(("runs",) if options.run else ()), "any")
    print(f"| program | {' | '.join(columns)} | exit code |\n{'| --- ' * (len(columns) + 2)}|")
    for line in PROGRAMS.read_text(encoding="utf-8").splitlines():
        program = json.loads(line)
        if only and program["name"] not in only:
            continue
        result = scanned(program, options.run)
        row: Counter[str] = Counter(uses=len(program["uses"]), programs=1)
        if isinstance(result, ScanResult):
            for use in program["uses"]:
                witnesses = seen_by(program, use, result)
                row["knowledge"] += Witness.KNOWLEDGE in witnesses
                row["types"] += Witness.TYPES in witnesses
                row["runs"] += Witness.RUNS in witnesses
                row["any"] += bool(witnesses)
                if not witnesses and options.run:
                    missed.append(f"{program['name']}: {use['file']}: {use['what']}")
            row["breaks"] += result.breaks
        else:
            row["nothing compared"] += 1
        counts += row
        code = "error" if row["nothing compared"] else int(bool(row["breaks"]))
        cells = " | ".join(str(row[name]) for name in columns)
        print(f"| {program['name']} | {cells} | {code} |", flush=True)
    cells = " | ".join(str(counts[name]) for name in columns)
    print(f"| {counts['programs']} programs | {cells} | {counts['breaks']} with 1 |")
    for line in missed:
        print(f"missed: {line}")


if __name__ == "__main__":
    main()
