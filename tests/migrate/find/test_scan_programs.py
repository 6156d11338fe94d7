"""Short programs: each marked line is reported, and no other."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from recode.api import Move, move_of, scan_move
from tests.migrate.find.short_programs import Program, read_programs

NUMPY = read_programs("numpy.txt")
OTHERS = [*read_programs("others.txt"), *read_programs("declared.txt")]


@cache
def move(to: str) -> Move:
    return move_of(Path(__file__).parent, to, "0.1")


def reported(program: Program, to: str, folder: Path) -> dict[int, set[str]]:
    (folder / "program.py").write_text(program.text, encoding="utf-8")
    found: dict[int, set[str]] = defaultdict(set)
    for finding in scan_move(move(to), folder, fast=True, workers=1).findings:
        found[finding.line].add(finding.symbol)
    return found


def check(program: Program, found: dict[int, set[str]]) -> None:
    wanted = dict(program.expected)
    assert set(found) == set(wanted), f"reported: {dict(found)}"
    for line, symbol in wanted.items():
        assert any(one == symbol or one.startswith(f"{symbol}(") for one in found[line]), f"{line}: {found[line]}"


def test_there_are_enough() -> None:
    assert len(NUMPY) >= 50
    assert len({program.name for program in NUMPY}) == len(NUMPY)


@pytest.mark.parametrize("program", NUMPY, ids=lambda program: program.name)
def test_numpy(program: Program, tmp_path: Path) -> None:
    check(program, reported(program, "numpy==2.4.6", tmp_path))


@pytest.mark.parametrize("program", OTHERS, ids=lambda program: program.name)
def test_other_libraries(program: Program, tmp_path: Path) -> None:
    check(program, reported(program, program.name.partition(" ")[0], tmp_path))
