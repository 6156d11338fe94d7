"""Draw the pictures of the README from what the commands really print: `docs/pictures/*.svg`, light and dark.

python docs/pictures.py      # needs the `migrate` extra; builds both NumPy environments on first use
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI, TerminalTheme
from rich.text import Text

from recode.records import write_text

DOCS = Path(__file__).resolve().parent
COLUMNS = 96

LIGHT = TerminalTheme(
    (255, 255, 255),
    (36, 41, 47),
    [
        (36, 41, 47),
        (207, 34, 46),
        (17, 99, 41),
        (126, 78, 0),
        (9, 105, 218),
        (130, 80, 223),
        (27, 124, 131),
        (87, 96, 106),
    ],
)
"""A white terminal whose colours keep a contrast of at least 4.5 with the background."""

PICTURES = {
    "scan": ["scan", ".", "--to", "numpy==2.4.6"],
    "migrate": ["migrate", ".", "--to", "numpy==2.4.6", "--tests", "pytest -q"],
}


def main() -> None:
    """Run each command on a copy of `examples/tides` and draw its output in both themes."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "tides"
        shutil.copytree(DOCS.parent / "examples" / "tides", project, ignore=shutil.ignore_patterns("__pycache__"))
        for name, arguments in PICTURES.items():
            text = _output(arguments, project)
            for theme, colours in (("light", LIGHT), ("dark", DIMMED_MONOKAI)):
                write_text(
                    DOCS / "pictures" / f"{name}-{theme}.svg", _drawn(arguments, text, colours, f"{name}-{theme}")
                )


def _output(arguments: list[str], project: Path) -> Text:
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "recode", *arguments]
    done = subprocess.run(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=600
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}")
    return Text.from_ansi(done.stdout.rstrip())


def _drawn(arguments: list[str], output: Text, theme: TerminalTheme, identity: str) -> str:
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"), force_terminal=True)  # noqa: SIM115
    typed = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    console.print(Text(f"$ recode {typed}", style="bold"))
    console.print(output, soft_wrap=False)
    # Rich's picture asks another site for its font; a README must not.
    drawn = console.export_svg(title="", theme=theme, unique_id=f"recode-{identity}")
    return re.sub(r"@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL)


if __name__ == "__main__":
    main()
