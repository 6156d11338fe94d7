"""What `recode migrate` makes of real projects: source distributions that predate a breaking release of a dependency.

    python benchmarks/migrate.py [PROJECT ...] [--model recode-tiny] [--tests] [--out runs/migrate.jsonl]

Each project is fetched from PyPI, migrated by rule and with a model, and its patch given to `git apply`. Every changed line is compared
with the project's own next release: `as upstream` where that has the same line, up to layout; edit precision is the part of the changed
lines that the next release changed too. With `--tests` the project's own tests run (minutes each), with ReCode's changes and with those of
`ruff check --fix --unsafe-fixes` for the NumPy projects (it has no rules for the other moves, nor have bump-pydantic and django-upgrade).
One JSON line a project; those that are there already are not done again. `--table` prints the lines as a Markdown table.
"""

from __future__ import annotations

import argparse
import difflib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tokenize
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recode.api import migrate_project
from recode.collect.texts.package_index import fetch, releases_between
from recode.migrate.prove.coverage import new_offset
from recode.migrate.report.summary import counts, tests
from recode.migrate.report.wording import reason_text
from recode.migrate.result import MigrateOptions, MigrationResult
from recode.migrate.rewrite.changes import Method
from recode.migrate.source.edits import apply
from recode.migrate.source.patch import Rewritten
from recode.migrate.source.text import lines_of
from recode.sandbox.environments import recode_home


@dataclass(frozen=True)
class Project:
    """A project's release, its next one, the dependency's move, and how its tests run."""

    name: str
    old: str
    new: str
    to: str
    from_: str
    tests: str
    requires: tuple[str, ...] = ()


PROJECTS = [
    Project("lmfit", "1.2.2", "1.3.0", "numpy==2.1.0", "1.26.4",
            "pytest -q tests/test_model.py tests/test_minimizer.py tests/test_confidence.py tests/test_parameters.py",
            ("pytest", "pytest-cov", "scipy<1.14", "asteval<1", "uncertainties<3.2", "dill")),
    Project("librosa", "0.10.1", "0.10.2", "numpy==2.1.0", "1.26.4", ""),
    Project("arviz", "0.17.1", "0.18.0", "numpy==2.1.0", "1.26.4", ""),
    Project("control", "0.10.0", "0.10.1", "numpy==2.1.0", "1.26.4",
            "pytest -q control/tests/timeresp_test.py control/tests/rlocus_test.py control/tests/statesp_test.py",
            ("pytest", "scipy<1.14", "matplotlib")),
    Project("dataset", "1.6.2", "2.0.0", "sqlalchemy==2.0.36", "1.4.54", ""),
    Project("agate-sql", "0.5.8", "0.5.9", "sqlalchemy==2.0.36", "1.4.54", "pytest -q tests", ("pytest", "agate<1.10", "six")),
    Project("apscheduler", "3.9.1.post1", "3.10.0", "sqlalchemy==2.0.36", "1.4.54", "pytest -q -o addopts= tests/test_jobstores.py",
            ("pytest<7", "pytest-asyncio<0.21", "pytest-tornado", "pytz", "six", "tzlocal<3", "setuptools<70")),
    Project("sqlalchemy-utils", "0.39.0", "0.40.0", "sqlalchemy==2.0.36", "1.4.54", "pytest -q tests",
            ("pytest", "six", "flexmock", "pytz", "python-dateutil", "Babel", "colour", "phonenumbers", "passlib", "furl", "arrow",
             "cryptography", "Jinja2", "Pygments", "docutils")),
    Project("dandischema", "0.8.4", "0.10.0", "pydantic==2.5.3", "1.10.26", "DANDI_ALLOW_LOCALHOST_URLS=1 pytest -q -o addopts= dandischema",
            ("pytest<8", "email-validator", "jsonschema", "requests", "typing-extensions")),
    Project("django-ordered-model", "3.4.3", "3.5", "django==4.0.10", "3.2.25", "pytest -q tests",
            ("pytest", "pytest-django", "djangorestframework<3.15")),
    Project("uncertainties", "3.1.7", "3.2.0", "numpy==2.1.0", "1.26.4", "pytest -q uncertainties", ("pytest",)),
    Project("cdlib", "0.2.6", "0.3.0", "networkx==3.0", "2.8.8", ""),
    Project("ffn", "0.3.6", "0.3.7", "pandas==2.2.3", "1.5.3", ""),
    Project("trimesh", "4.3.2", "4.4.0", "numpy==2.1.0", "1.26.4", ""),
]  # fmt: skip


def sources(name: str, old: str, new: str, folder: Path) -> tuple[Path, Path]:
    """Fetch and unpack both source distributions; return their top folders."""
    found = []
    for release in releases_between(name, old, new):
        if release.version not in (old, new):
            continue
        target = folder / f"{name}-{release.version}"
        if not target.exists():
            assert release.sdist is not None, f"{name} {release.version} has no source distribution"
            with tarfile.open(fileobj=io.BytesIO(fetch(release.sdist))) as archive:
                archive.extractall(target, filter="data")
        found.append(next(path for path in target.iterdir() if path.is_dir()))
    return found[0], found[1]


def tokens(line: str) -> str:
    """Return a line without comments and layout."""
    try:
        kept = [
            one.string for one in tokenize.generate_tokens(io.StringIO(line.strip()).readline) if one.type != tokenize.COMMENT
        ]  # fmt: skip
    except (tokenize.TokenError, SyntaxError):
        return "".join(line.split())
    return " ".join("".join(kept).split())


def compared_with_upstream(result: MigrationResult, upstream: Path) -> tuple[Counter[str], list[str]]:
    """Compare every offered change with the next release's file; return counts, and the changed lines that differ there."""
    found: Counter[str] = Counter()
    other: list[str] = []
    for change in result.offered:
        source = result.sources[change.file]
        path = upstream / change.file
        edits = sorted({edit for one in result.offered if one.file == change.file for edit in one.edits})
        program = apply(source.program, edits)
        new = {line_at(program, new_offset(edits, edit.start)) for edit in change.edits}
        old = {line_at(source.program, edit.start) for edit in change.edits}
        theirs = {tokens(line) for line in path.read_text(errors="replace").splitlines()} if path.exists() else None
        if theirs is None:
            said = "file is gone"
        elif all(tokens(line) in theirs for line in new):
            said = "as upstream"
        else:
            said = "old code kept there" if all(tokens(line) in theirs for line in old) else "otherwise"
        found[said] += len(change.findings)
        if said != "as upstream":
            other += [f"{said}: {change.file.as_posix()}: {line.strip()}" for line in sorted(new)]
    return found, other


def changed_lines(old: str, new: str) -> set[int]:
    """Return the lines of an old text that a new one changes; what is only inserted counts at the line before it."""
    matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
    found: set[int] = set()
    for tag, first, last, _, _ in matcher.get_opcodes():
        if tag != "equal":
            found |= set(range(first, last)) or {max(first - 1, 0)}
    return found


def edit_precision(files: Sequence[Rewritten], upstream: Path) -> tuple[int, int]:
    """Return how many of the changed lines the next release changed too, and how many there are."""
    right = total = 0
    for file in files:
        path = upstream / file.path
        old, new = (text.decode("utf-8", "replace") for text in (file.old, file.new))
        theirs = changed_lines(old, path.read_text(errors="replace")) if path.exists() else set(range(len(old)))
        mine = changed_lines(old, new)
        right, total = right + len(mine & theirs), total + len(mine)
    return right, total


@dataclass(frozen=True)
class OtherTool:
    """A tool that rewrites code for some libraries: its command, run in a copy of the project, and whether files are appended to it."""

    name: str
    libraries: tuple[str, ...]
    command: tuple[str, ...]
    takes_files: bool = False


_UVX = (str(Path(sys.executable).with_name("uv")), "tool", "run", "--quiet", "--from")
OTHER_TOOLS = [
    OtherTool("ruff check --fix --unsafe-fixes", ("numpy", "pandas"), (
        str(Path(sys.executable).with_name("ruff")), "check", "--isolated", "--fix", "--unsafe-fixes", "--ignore-noqa",
        "--select", "NPY001,NPY003,NPY201,PD", "-q", ".")),
    OtherTool("bump-pydantic", ("pydantic",), (*_UVX, "bump-pydantic==0.8.0", "bump-pydantic", ".")),
    OtherTool("django-upgrade", ("django",), (*_UVX, "django-upgrade==1.22.2", "django-upgrade", "--target-version"), takes_files=True),
]  # fmt: skip
"""The tools that rewriting is compared with, each for the libraries that it has rules for; they run in environments of their own."""


def rewritten_by(tool: OtherTool, root: Path, release: str) -> list[Rewritten]:
    """Return the files that a tool rewrites in a project.

    Raises:
        SystemExit: it did not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(root, copy)
        command = [*tool.command]
        if tool.takes_files:
            names = (path.relative_to(copy).as_posix() for path in copy.rglob("*.py"))
            command += [".".join(release.split(".")[:2]), *sorted(names)]
        done = subprocess.run(command, cwd=copy, check=False, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            sys.exit(f"{tool.name} failed: {done.stderr[-500:]}")
        found = []
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root)
            old, new = path.read_bytes(), (copy / name).read_bytes()
            if old != new:
                found.append(Rewritten(name, old, new))
    return found


def measured(files: Sequence[Rewritten], upstream: Path, result: MigrationResult) -> dict[str, Any]:
    """Return a tool's changed lines, those that upstream changed too, and the tests with its changes."""
    right, total = edit_precision(files, upstream)
    row: dict[str, Any] = {"lines": total, "lines upstream changed": right}
    if result.trial is not None and result.proof is not None:
        base = result.proof.base
        after = result.trial.run({file.path: file.new for file in files}, {}, True)
        broken = result.proof.before.failing(base)
        row |= {
            "tests broken": len(broken),
            "brought back": len(broken - after.failing(base)),
            "still failing": len(after.failing(base)),
        }
    return row


def line_at(text: str, offset: int) -> str:
    """Return the line that an offset is in."""
    return lines_of(text)[text.count("\n", 0, offset)]


def applies(result: MigrationResult) -> bool:
    """Say whether `git apply` takes the patch of the offered changes."""
    files = result.files()
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            target = Path(folder) / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.old)
        patch = result.patch()
        done = subprocess.run(["git", "apply", "-"], input=patch, cwd=folder, check=False, capture_output=True)
        return not patch or (
            done.returncode == 0 and all((Path(folder) / file.path).read_bytes() == file.new for file in files)
        )


def study(project: Project, model: str | None, with_tests: bool) -> dict[str, Any]:
    """Migrate one project and say what came of it."""
    folder = recode_home().parent / "recode-study"
    old, new = sources(project.name, project.old, project.new, folder)
    command = project.tests if with_tests else None
    options = MigrateOptions(model=model, tests=command or None, run_found=False, old_requires=project.requires if command else (),
                    new_requires=project.requires if command else (), test_seconds=1800)  # fmt: skip
    start = time.monotonic()
    result = migrate_project(old, to=project.to, from_=project.from_, options=options)
    beside, otherwise = compared_with_upstream(result, new)
    tools = {"recode": measured(result.files(), new, result)}
    library, _, release = project.to.partition("==")
    for other in OTHER_TOOLS:
        if library in other.libraries:
            tools[other.name] = measured(rewritten_by(other, old, release), new, result)
    verdict = result.conclusion.verdict if result.conclusion else None
    return {
        "project": f"{project.name} {project.old}", "tools": tools, "verdict": verdict,
        "to": project.to, "model": model, "places": len(result.scanned.findings),
        "outcomes": counts(result), "by_model": sum(change.method is Method.MODEL for change in result.offered),
        "compared_with_upstream": beside, "otherwise": otherwise, "applies": applies(result), "tests": tests(result),
        "broken": [f"{one.file}:{one.line}: {one.error[:160]}" for one in result.conclusion.broken[:8]] if result.conclusion else [],
        "reasons": Counter(reason_text(place)[:160] for place in result.left).most_common(6), "remarks": result.remarks,
        "seconds": round(time.monotonic() - start, 1),
    }  # fmt: skip


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print one line for each project and tool."""
    print(
        "| project | to | tool | tests broken | brought back | still failing | changed lines | upstream changed them too |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        for name, tool in row["tools"].items():
            tests_of = " | ".join(str(tool.get(key, "")) for key in ("tests broken", "brought back", "still failing"))
            print(
                f"| {row['project']} | {row['to']} | {name} | {tests_of} | {tool['lines']} | {tool['lines upstream changed']} |"
            )


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", help="names (default: all)")
    parser.add_argument("--model", default=None)
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/migrate.jsonl"))
    parser.add_argument("--table", action="store_true", help="print what was measured and measure nothing")
    given = parser.parse_args()
    if given.table:
        print_table([json.loads(line) for line in given.out.read_text().splitlines()])
        return
    given.out.parent.mkdir(parents=True, exist_ok=True)
    done = given.out.read_text().splitlines() if given.out.exists() else []
    known = {(row["project"], row["model"], bool(row["tests"])) for row in map(json.loads, done)}
    for project in PROJECTS:
        key = (f"{project.name} {project.old}", given.model, given.tests and bool(project.tests))
        if (given.projects and project.name not in given.projects) or key in known:
            continue
        row = study(project, given.model, given.tests)
        with given.out.open("a") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(json.dumps(row, indent=1, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
