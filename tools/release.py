"""Prepare a release: check that everything names one version, run all tests, build the distributions. Nothing leaves this machine.

    python tools/release.py [--check]

`make release` calls it. `--check` only compares the versions and says whether the tree is clean; exit code 1 if something is missing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_DATED = re.compile(r"^## (\S+), (\d{4}-\d{2}-\d{2})$", re.MULTILINE)


def version() -> str:
    """Return the version of the package."""
    found = re.search(
        r'^__version__ = "([^"]+)"$', (ROOT / "src/recode/__init__.py").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found is not None
    return found[1]


def version_differences() -> list[str]:
    """Return what names another version than the package, apart from the date of the release."""
    wanted = version()
    places = {
        "CITATION.cff": rf"^version: {re.escape(wanted)}$",
        "CHANGELOG.md": rf"\A# Changelog\n(?:(?!^## ).*\n)*## {re.escape(wanted)}, (?:not yet released|\d{{4}}-\d{{2}}-\d{{2}})$",
    }
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in places}
    return [
        f"{name}: does not name {wanted}"
        for name, pattern in places.items()
        if not re.search(pattern, texts[name], re.MULTILINE)
    ]


def obstacles() -> list[str]:
    """Return everything that stands in the way of a release."""
    found, wanted = version_differences(), version()
    released = _DATED.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if released is None or released[1] != wanted:
        found.append(f"CHANGELOG.md: write the date: `## {wanted}, YYYY-MM-DD`")
    if _git("status", "--porcelain"):
        found.append("the working tree has changes; commit them first")
    if _git("tag", "--list", f"v{wanted}"):
        found.append(f"the tag v{wanted} is there already")
    return found


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Check, test and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say what is missing")
    options = parser.parse_args()
    missing = obstacles()
    for line in missing:
        print(f"missing: {line}", file=sys.stderr)
    if missing or options.check:
        sys.exit(bool(missing))
    for command in (
        ["make", "test"], ["make", "test-wheel"], ["make", "docs"],
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", "dist"],
    ):  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True)
    name = version()
    print(f"\ndist/ holds {name}. Publish it with:\n  git tag -a v{name} -m v{name} && git push origin v{name}")
    print(f"  uv publish dist/recode_rl-{name}*")


if __name__ == "__main__":
    main()
