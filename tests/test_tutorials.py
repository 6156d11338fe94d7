"""Each tutorial is followed step by step: its files are written, its commands are run, and what it shows is compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))


class Step(NamedTuple):
    file: str
    """The file that is written, or "" if a command is run."""
    exit_code: int
    text: str


def _steps(page: Path) -> list[Step]:
    steps = []
    for opening, text in re.findall(r"^```([^\n]+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
        if title := re.search(r'title="([^"]+)"', opening):
            steps.append(Step(title[1], 0, text))
        elif code := re.search(r"^console exit=(\d+)", opening):
            steps.append(Step("", int(code[1]), text))
        else:
            raise AssertionError(f"{page.name}: nothing checks the block {opening!r}")
    return steps


def _pattern(shown: str) -> str:
    """Spaces and line ends do not count, and `…` stands for anything."""
    return ".*?".join(r"\s+".join(re.escape(word) for word in part.split()) for part in shown.split("…"))


def _matches(shown: str, printed: str) -> bool:
    pattern = r"\s*".join(_pattern(part) if part != "…" else ".*?" for part in re.split("(…)", shown) if part)
    return re.fullmatch(rf"\s*{pattern}\s*", printed, re.DOTALL) is not None


def test_shown_output_is_compared_word_by_word() -> None:
    assert _matches("where  what\na … c\n", "where what\na b b c")
    assert _matches("a (…); b", "a (anything, at all); b")
    assert not _matches("1 uses break", "0 uses break")
    assert not _matches("1 uses break", "1 uses break, more")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_has_programs_that_parse_and_commands(page: Path) -> None:
    steps = _steps(page)
    for step in steps:
        if step.file.endswith(".py"):
            compile(step.text, step.file, "exec")
        elif not step.file:
            assert step.text.startswith("$ recode ")
    assert any(not step.file for step in steps)


@pytest.mark.network
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_shows_what_its_commands_print(page: Path, tmp_path: Path) -> None:
    for step in _steps(page):
        if step.file:
            (tmp_path / step.file).write_text(step.text, encoding="utf-8")
            continue
        command, shown = step.text.split("\n", 1)
        words = [sys.executable, "-m", "recode", *shlex.split(command.removeprefix("$ recode "))]
        environment = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == step.exit_code, done.stderr
        assert _matches(shown, done.stdout), done.stdout
