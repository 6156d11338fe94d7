"""Asking about every change."""

from __future__ import annotations

from pathlib import Path

import pytest
from migration_corpus import UPDATES
from rich.console import Console

from recode.errors import RecodeError
from recode.migrate.choosing import chosen
from recode.migrate.rewriting import Asked, Migrated, migrate_project
from recode.migrate.summary import counts

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


def test_an_editor_that_fails_changes_nothing_and_asks_again(result: Migrated) -> None:
    assert asked(result, "ennn", lambda _: None) == TEXT.encode()
    assert asked(result, "eynn", lambda _: None) == TEXT.replace("in1d", "isin").encode()


@pytest.mark.parametrize(
    "error", [RecodeError("which editor?"), FileNotFoundError("nosuch"), ValueError("no closing quotation")]
)
def test_an_editor_that_cannot_be_run_loses_no_answer(result: Migrated, error: Exception) -> None:
    def editor(text: str) -> str:
        raise error

    assert asked(result, "yenn", editor) == TEXT.replace("in1d", "isin").encode()


def test_a_text_that_does_not_parse_is_shown_again(result: Migrated) -> None:
    shown: list[str] = []
    texts = iter(["x = (\n", "x = ()\n"])

    def editor(text: str) -> str:
        shown.append(text)
        return next(texts)

    assert asked(result, "enn", editor) == TEXT.replace("np.in1d(1, 2)", "()").encode()
    assert shown == ["x = np.isin(1, 2)\n", "x = (\n"]
    assert asked(result, "ennn", lambda _: "x = (\n") == TEXT.encode(), "left as it is, it is given up"


def test_the_report_is_about_what_was_taken(result: Migrated) -> None:
    assert result.done
    assert counts(result.settled([])) == {"left alone": 3}
    assert not result.settled([]).done
    settled = result.settled(result.changes[:1])
    assert counts(settled) == {"by the note alone": 1, "left alone": 2}
    assert {one.reason for one in settled.left} == {"not taken"}
    assert result.settled(result.changes).done
