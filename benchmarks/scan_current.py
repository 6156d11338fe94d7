"""What `recode scan` reports as breaking in packages that run on the newest releases already: false alarms, mostly.

    python benchmarks/scan_current.py [--only NAME] [--unjudged]

`scan_current/packages.toml` names the packages with a move of a library; `scan_current/judged.jsonl` has the verdict on each place
(right or wrong, and why). Wheels are downloaded on first use and kept below $RECODE_HOME. Environments of both releases are built.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from recode.api import move_of, scan_move
from recode.collect.texts.package_index import fetch, release_of
from recode.sandbox.environments import recode_home

HERE = Path(__file__).parent / "scan_current"


def sources_of(name: str, version: str) -> Path:
    """Return the unpacked wheel of a release."""
    folder = recode_home() / "study" / f"{name}-{version}-wheel"
    if not folder.exists():
        wheel = next(file for file in release_of(name, version).files if file.kind == "wheel")
        part = folder.with_name(folder.name + ".part")
        zipfile.ZipFile(io.BytesIO(fetch(wheel))).extractall(part)
        part.rename(folder)
    return folder


def judged() -> dict[tuple[str, str, int], str]:
    rows = [json.loads(line) for line in (HERE / "judged.jsonl").read_text(encoding="utf-8").splitlines()]
    return {(row["package"], row["file"], row["line"]): row["verdict"] for row in rows}


def study(package: dict[str, Any], verdicts: dict[tuple[str, str, int], str], show: bool) -> dict[str, Any]:
    name, folder = package["name"], sources_of(package["name"], package["version"])
    started = time.perf_counter()
    move = move_of(folder, f"{package['library']}=={package['to']}", from_=package["from"])
    result = scan_move(move, folder)
    places = {(one.file.as_posix(), one.line): one for one in result.findings if one.status == "breaks"}
    counts = [verdicts.get((name, *place), "unjudged") for place in places]
    if show:
        for (file, line), one in sorted(places.items()):
            if (name, file, line) not in verdicts:
                text = (folder / file).read_text(encoding="utf-8", errors="replace").splitlines()[line - 1].strip()
                row = {"package": name, "file": file, "line": line, "verdict": "?", "symbol": one.symbol}
                print(json.dumps({**row, "why": one.advice, "text": text}, ensure_ascii=False))
    return {
        **package, "lines": result.lines, "seconds": time.perf_counter() - started, "places": len(places),
        "right": counts.count("right"), "wrong": len(counts) - counts.count("right"),
        "deprecated": sum(one.status == "deprecated" for one in result.findings),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="A package; repeat for more.")
    parser.add_argument(
        "--unjudged", action="store_true", help="Print what is found and not judged, as lines to judge."
    )
    asked = parser.parse_args()
    packages = tomllib.loads((HERE / "packages.toml").read_text(encoding="utf-8"))["package"]
    verdicts = judged()
    rows = [study(one, verdicts, asked.unjudged) for one in packages if not asked.only or one["name"] in asked.only]
    if asked.unjudged:
        return
    print(
        "| package | move | lines | breaks | right | deprecated | seconds |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for row in rows:
        move = f"{row['library']} {row['from']} → {row['to']}"
        mark = " (examined)" if row["examined"] else ""
        print(
            f"| {row['name']} {row['version']}{mark} | {move} | {row['lines']} | {row['places']} | {row['right']} | "
            f"{row['deprecated']} | {row['seconds']:.0f} |"
        )
    for label, some in (
        ("all", rows),
        ("not examined", [row for row in rows if not row["examined"]]),
    ):
        print(f"{label}: {sum(row['right'] for row in some)} of {sum(row['places'] for row in some)} right")


if __name__ == "__main__":
    main()
