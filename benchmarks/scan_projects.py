"""How much `recode scan` finds in real projects, and how much of it is right, compared with ruff's rules for NumPy.

    python benchmarks/scan_projects.py [--only NAME] [--unjudged]

The projects (`scan_projects/projects.toml`) are source distributions from PyPI that predate a breaking release of a
dependency. `scan_projects/judged.jsonl` lists, place by place, what their own next release changed for it, and which other findings
are right or wrong: `changed` (the next release changed this line for it), `breaks` (it breaks or is deprecated as
reported, and the next release left it or changed only the import), `wrong`. Recall is the share of the changed places that are
found; precision the share of what is found that is `changed` or `breaks`. What is found and not judged counts as wrong.

Downloads are kept below $RECODE_HOME. Ruff is run with `--select NPY` and its default settings on the same files (NumPy only).
"""

from __future__ import annotations

import argparse
import difflib
import io
import json
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from recode.api import move_of, scan_move
from recode.collect.texts.package_index import fetch, release_of
from recode.migrate.project.files import project_files
from recode.sandbox.environments import recode_home

HERE = Path(__file__).parent / "scan_projects"
STYLE = "NPY002"
"""Ruff's rule against the older random functions, which no release of NumPy removed or deprecated."""


def source_of(name: str, version: str) -> Path:
    """Return the unpacked source distribution of a release."""
    folder = recode_home() / "study" / f"{name}-{version}"
    if not folder.exists():
        release = release_of(name, version)
        assert release.sdist is not None, f"{name} {version} has no source distribution"
        data = fetch(release.sdist)
        folder.mkdir(parents=True)
        if release.sdist.name.endswith(".zip"):
            zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
        else:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                archive.extractall(folder, filter="data")
    [inner] = [one for one in folder.iterdir() if one.is_dir()]
    return inner


def changed_lines(old: Path, new: Path) -> set[int]:
    """Lines of the old file that the new one does not have as they are; none where there is no new file."""
    if not new.exists():
        return set()
    before, after = (one.read_text(encoding="utf-8", errors="replace").splitlines() for one in (old, new))
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return {line + 1 for tag, start, end, _, _ in blocks if tag != "equal" for line in range(start, end)}


def judged() -> dict[tuple[str, str, int], str]:
    rows = [json.loads(line) for line in (HERE / "judged.jsonl").read_text(encoding="utf-8").splitlines()]
    return {(row["project"], row["file"], row["line"]): row["verdict"] for row in rows}


def ruff_lines(folder: Path) -> dict[tuple[str, int], set[str]]:
    """(file, line) → rules, as `ruff check --select NPY` flags them; release-independent and without the project's settings."""
    files = [str(one) for one in project_files(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "NPY", "--output-format", "json",
         "--no-cache", "--ignore-noqa", *files],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    found: dict[tuple[str, int], set[str]] = {}
    for row in json.loads(done.stdout):
        if row["code"] and row["code"].startswith("NPY"):
            file = Path(row["filename"]).resolve().relative_to(folder.resolve()).as_posix()
            found.setdefault((file, row["location"]["row"]), set()).add(row["code"])
    return found


def study(project: dict[str, Any], verdicts: dict[tuple[str, str, int], str], show: bool) -> dict[str, Any]:
    name = project["name"]
    old, new = source_of(name, project["old"]), source_of(name, project["new"])
    result = scan_move(move_of(old, project["to"]), old, fast=True)
    places = sorted({(one.file.as_posix(), one.line) for one in result.findings})
    symbols = {(one.file.as_posix(), one.line): one.symbol for one in result.findings}
    wanted = {(file, line) for (of, file, line), verdict in verdicts.items() if of == name and verdict == "changed"}
    counts = Counter(verdicts.get((name, *place), "unjudged") for place in places)
    if show:
        for place in places:
            if (name, *place) not in verdicts:
                is_changed = place[1] in changed_lines(old / place[0], new / place[0])
                text = (old / place[0]).read_text(encoding="utf-8", errors="replace").splitlines()[place[1] - 1].strip()
                row = {"project": name, "file": place[0], "line": place[1], "symbol": symbols[place]}
                print(
                    json.dumps({**row, "verdict": "changed" if is_changed else "?", "text": text}, ensure_ascii=False)
                )
    row = {
        "name": name, "old": project["old"], "new": project["new"], "to": project["to"], "lines": result.lines, "places": len(places),
        "changed": len(wanted), "found": len(wanted & set(places)), "right": counts["changed"] + counts["breaks"],
        "wrong": counts["wrong"] + counts["unjudged"], "missed": sorted(wanted - set(places)),
    }  # fmt: skip
    if project["to"].startswith("numpy"):
        flagged = {place: rules - {STYLE} for place, rules in ruff_lines(old).items()}
        flagged = {place: rules for place, rules in flagged.items() if rules}
        row["ruff"] = len(flagged)
        row["ruff_found"] = len(wanted & set(flagged))
        row["ruff_wrong"] = sum(verdicts.get((name, *place), "unjudged") in ("wrong", "unjudged") for place in flagged)
        row["ruff_only"] = sorted((*place, *sorted(flagged[place])) for place in set(flagged) - set(places))
    return row


def print_places(projects: list[dict[str, Any]]) -> None:
    """Print the judged places, by project, verdict and symbol."""
    rows = [json.loads(line) for line in (HERE / "judged.jsonl").read_text(encoding="utf-8").splitlines()]
    for project in projects:
        print(f"**{project['name']} {project['old']} → {project['new']}, {project['to']}**\n")
        groups: dict[tuple[str, str], dict[str, list[int]]] = {}
        for row in rows:
            if row["project"] == project["name"]:
                key = ("missed" if row.get("missed") else row["verdict"], row["symbol"])
                groups.setdefault(key, {}).setdefault(row["file"], []).append(row["line"])
        for (verdict, symbol), files in sorted(groups.items()):
            places = "; ".join(f"{file} {', '.join(map(str, lines))}" for file, lines in files.items())
            print(f"- {verdict}, `{symbol}`: {places}")
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="A project; repeat for more.")
    parser.add_argument(
        "--unjudged", action="store_true", help="Print what is found and not judged, as lines to judge."
    )
    parser.add_argument("--places", action="store_true", help="Print the judged places; nothing is run.")
    asked = parser.parse_args()
    projects = tomllib.loads((HERE / "projects.toml").read_text(encoding="utf-8"))["project"]
    if asked.places:
        print_places(projects)
        return
    verdicts = judged() if (HERE / "judged.jsonl").exists() else {}
    rows = [study(one, verdicts, asked.unjudged) for one in projects if not asked.only or one["name"] in asked.only]
    if asked.unjudged:
        return
    print(
        "| project | to | lines | places changed for it | found | reported | right | ruff: reported | ruff: found | ruff: wrong |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        ruff = [str(row.get(key, "")) for key in ("ruff", "ruff_found", "ruff_wrong")]
        print(
            f"| {row['name']} {row['old']} → {row['new']} | {row['to']} | {row['lines']} | {row['changed']} | "
            f"{row['found']} | {row['places']} | {row['right']} | {' | '.join(ruff)} |"
        )
    changed, found = sum(row["changed"] for row in rows), sum(row["found"] for row in rows)
    reported, right = sum(row["places"] for row in rows), sum(row["right"] for row in rows)
    print(
        f"\nrecall {found} of {changed} ({found / changed:.0%}), precision {right} of {reported} ({right / reported:.0%})"
    )
    for row in rows:
        for place in row["missed"]:
            print(f"missed: {row['name']} {place[0]}:{place[1]}")
        for place in row.get("ruff_only", ()):
            print(f"only ruff: {row['name']} {place}")


if __name__ == "__main__":
    main()
