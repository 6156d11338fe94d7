"""What each witness of `recode scan` sees of small programs that a release breaks.

    python benchmarks/breakages.py [--only NAME,NAME] [--run]
    python benchmarks/breakages.py --programs benchmarks/breakages/by_lot.jsonl

`breakages/programs.jsonl` has 29 programs written after public bug reports, with the lines that break. `breakages/by_lot.jsonl` and
`by_lot_2.jsonl` have 15 for each of four libraries that nothing was prepared for, one change of their release notes in each. Environments
are built from the package index and kept below $RECODE_HOME. With `--run`, each program that can run without a server runs in both
releases.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from recode.api import move_of, scan_move
from recode.errors import RecodeError
from recode.migrate.find.findings import Finding, ScanResult, Witness

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


def findings_at(program: dict[str, Any], use: dict[str, str], result: ScanResult) -> list[Finding]:
    text = program["files"][use["file"]]
    lines = {number for number, line in enumerate(text.splitlines(), start=1) if use["contains"] in line}
    return [one for one in result.findings if one.file.as_posix() == use["file"] and one.line in lines]


KINDS = (
    ("a name that is gone", re.compile(r"\b(AttributeError|ImportError|ModuleNotFoundError)\b")),
    ("arguments that do not fit", re.compile(r"unexpected keyword|missing \d+ required|positional argument")),
    ("deprecated", re.compile(r"\w+Warning: ")),
    (
        "another error: a value of an argument, a type, a class body",
        re.compile(r"\b\w*(Error|Removed\w*): |; in \S+: raises "),
    ),
    ("no longer called by the library", re.compile(r"calls this function")),
)
SILENT, UNSEEN = "another value or state, without an error", "not seen in the run, or not run"


def kind_of(program: dict[str, Any], use: dict[str, str], result: ScanResult) -> str:
    """What the run showed of a use; of several findings, the gravest."""
    here = [finding for finding in findings_at(program, use, result) if Witness.RUNS in finding.witnesses]
    texts = [finding.advice if len(finding.witnesses) == 1 else finding.evidence for finding in here]
    named = {next((name for name, pattern in KINDS if pattern.search(text)), SILENT) for text in texts}
    graver = [*(name for name, _ in KINDS if name != "deprecated"), SILENT, "deprecated"]
    return next((name for name in graver if name in named), UNSEEN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of programs, with commas")
    parser.add_argument("--programs", type=Path, default=PROGRAMS, help="a file of programs, one JSON object a line")
    parser.add_argument("--run", action="store_true", help="run the programs, too")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    counts: Counter[str] = Counter()
    missed: list[str] = []
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    columns = ("uses", "knowledge", "types", *(("runs",) if options.run else ()), "any")
    shown = columns if options.run else (*columns[:-1], "either")
    print(f"| program | {' | '.join(shown)} | exit code |\n{'| --- ' * (len(columns) + 2)}|")
    for line in options.programs.read_text(encoding="utf-8").splitlines():
        program = json.loads(line)
        if only and program["name"] not in only:
            continue
        result = scanned(program, options.run)
        row: Counter[str] = Counter(uses=len(program["uses"]), programs=1)
        if isinstance(result, ScanResult):
            for use in program["uses"]:
                witnesses = {witness for one in findings_at(program, use, result) for witness in one.witnesses}
                kinds[kind_of(program, use, result)].update(
                    ["uses", *map(str, witnesses), *(["any"] if witnesses else [])]
                )
                row["knowledge"] += Witness.KNOWLEDGE in witnesses
                row["types"] += Witness.TYPES in witnesses
                row["runs"] += Witness.RUNS in witnesses
                row["any"] += bool(witnesses)
                if not witnesses:
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
    if options.run:
        print(f"\n| kind | {' | '.join(columns)} |\n{'| --- ' * (len(columns) + 1)}|")
        for kind, row in sorted(kinds.items(), key=lambda item: -item[1]["uses"]):
            print(f"| {kind} | {' | '.join(str(row[name]) for name in columns)} |")
    for line in missed:
        print(f"missed: {line}")


if __name__ == "__main__":
    main()
