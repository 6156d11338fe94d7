"""Asking about every change."""

from __future__ import annotations

from pathlib import Path

import pytest
from migration_corpus import UPDATES
from rich.console import Console

from recode.migrate.choosing import chosen
from recode.migrate.rewriting import Asked, Migrated, migrate_project

TEXT = "import numpy as np\r\nx = np.in1d(1, 2)\r\ny = np.trapz(x)\r\nz = np.reshape(y, newshape=1)\r\n"


@pytest.fixture
def result(tmp_path: Path) -> Migrated:
    (tmp_path / "a.py").write_bytes(TEXT.encode())
    return migrate_project(tmp_path, Asked(library="numpy", old="1.26.4", new="2.4.6", environments=False), UPDATES)


def asked(result: Migrated, answers: str, editor: object = None) -> bytes:
    waiting = iter(answers)
    taken = chosen(result, Console(quiet=True), lambda _: next(waiting), editor)  # type: ignore[arg-type]
    files = result.files(taken)
    return files[0].new if files else TEXT.encode()


@pytest.mark.parametrize(
    ("answers", "old", "new"),
    [
        ("nnn", "", ""),
        ("yq", "in1d", "isin"),
        ("xny?n", "trapz", "trapezoid"),
        ("nny", "newshape", "shape"),
        ("q", "", ""),
    ],
)
def test_what_is_taken_is_changed_and_nothing_else(result: Migrated, answers: str, old: str, new: str) -> None:
    assert asked(result, answers) == TEXT.replace(old, new, 1 if old else 0).encode()


def test_all_that_remain(result: Migrated) -> None:
    expected = TEXT.replace("trapz", "trapezoid").replace("newshape", "shape")
    assert asked(result, "na") == expected.encode()


def test_lines_can_be_edited(result: Migrated) -> None:
    shown: list[str] = []

    def editor(text: str) -> str:
        shown.append(text)
        return "x = np.isin(1, 2).ravel()\nprint(x)\n"

    assert (
        asked(result, "enn", editor)
        == TEXT.replace("x = np.in1d(1, 2)\r\n", "x = np.isin(1, 2).ravel()\r\nprint(x)\r\n").encode()
    )
    assert shown == ["x = np.isin(1, 2)\n"]


@pytest.mark.parametrize("edited", [None, "x = (\n"])
def test_an_edit_that_fails_or_does_not_parse_changes_nothing(result: Migrated, edited: str | None) -> None:
    assert asked(result, "enn", lambda _: edited) == TEXT.encode()
