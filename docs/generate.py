"""Write the pages of the site that are made from something else: the command line's reference, and pages kept elsewhere.

python docs/generate.py      # `make docs` does it before it builds the site
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from recode.records import write_text

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

ELSEWHERE = {"CONTRIBUTING.md": "generated/contributing.md"}
"""Pages that have to stand outside `docs/`: path in the repository -> path on the site."""


def main() -> None:
    """Write all generated pages below `docs/generated/`, which git ignores."""
    write_text(DOCS / "generated" / "cli.md", _command_line())
    for path, page in ELSEWHERE.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        write_text(DOCS / page, _LINK.sub(lambda match, path=path: _on_site(match, Path(path)), text))  # type: ignore[misc]


_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?!https?:|mailto:|#)(?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)")


def _on_site(match: re.Match[str], page: Path) -> str:
    """Return a relative link as it reads from `docs/generated/`; what has no page on the site becomes its path."""
    target = (ROOT / page.parent / match["target"]).resolve().relative_to(ROOT).as_posix()
    if target.startswith("docs/"):
        return f"[{match['text']}](../{target.removeprefix('docs/')}{match['anchor'] or ''})"
    return match["text"] if target in match["text"] else f"{match['text']} (`{target}`)"


def _command_line() -> str:
    """Return the reference of every command, as Typer writes it from their help texts."""
    command = [sys.executable, "-m", "typer", "recode.cli.app", "utils", "docs", "--name", "recode"]
    done = subprocess.run(
        [*command, "--title", "Command line"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


if __name__ == "__main__":
    main()
