"""Asking about every change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from recode.errors import RecodeError
from recode.migrate.pipeline import rewrite_project
from recode.migrate.report.interactive import ask_for_each, edit_change
from recode.migrate.report.summary import counts
from recode.migrate.result import MigrateOptions, MigrationResult, Upgrade
from recode.migrate.rewrite.changes import Reason
from tests.migrate.migration_corpus import UPDATES

TEXT = "import numpy as np\r\nx = np.in1d(1, 2)\r\ny = np.trapz(x)\r\nz = np.reshape(y, newshape=1)\r\n"


@pytest.fixture
def result(tmp_path: Path) -> MigrationResult:
    (tmp_path / "a.py").write_bytes(TEXT.encode())
    return rewrite_project(tmp_path, Upgrade("numpy", "1.26.4", "2.4.6"), MigrateOptions(environments=False), UPDATES)


def asked(result: MigrationResult, answers: str, editor: object = None) -> bytes:
    waiting = iter(answers)
    taken = ask_for_each(result, Console(quiet=True), lambda _: next(waiting), editor)  # type: ignore[arg-type]
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
def test_what_is_taken_is_changed_and_nothing_else(result: MigrationResult, answers: str, old: str, new: str) -> None:
    assert asked(result, answers) == TEXT.replace(old, new, 1 if old else 0).encode()


def test_all_that_remain(result: MigrationResult) -> None:
    expected = TEXT.replace("trapz", "trapezoid").replace("newshape", "shape")
    assert asked(result, "na") == expected.encode()


def test_lines_can_be_edited(result: MigrationResult) -> None:
    shown: list[str] = []

    def editor(text: str) -> str:
        shown.append(text)
        return "x = np.isin(1, 2).ravel()\nprint(x)\n"

    assert (
        asked(result, "enn", editor)
        == TEXT.replace("x = np.in1d(1, 2)\r\n", "x = np.isin(1, 2).ravel()\r\nprint(x)\r\n").encode()
    )
    assert shown == ["x = np.isin(1, 2)\n"]


def test_an_editor_that_fails_changes_nothing_and_asks_again(result: MigrationResult) -> None:
    assert asked(result, "ennn", lambda _: None) == TEXT.encode()
    assert asked(result, "eynn", lambda _: None) == TEXT.replace("in1d", "isin").encode()


@pytest.mark.parametrize(
    "error", [RecodeError("which editor?"), FileNotFoundError("nosuch"), ValueError("no closing quotation")]
)
def test_an_editor_that_cannot_be_run_loses_no_answer(result: MigrationResult, error: Exception) -> None:
    def editor(text: str) -> str:
        raise error

    assert asked(result, "yenn", editor) == TEXT.replace("in1d", "isin").encode()


def test_a_text_that_does_not_parse_is_shown_again(result: MigrationResult) -> None:
    shown: list[str] = []
    texts = iter(["x = (\n", "x = ()\n"])

    def editor(text: str) -> str:
        shown.append(text)
        return next(texts)

    assert asked(result, "enn", editor) == TEXT.replace("np.in1d(1, 2)", "()").encode()
    assert shown == ["x = np.isin(1, 2)\n", "x = (\n"]
    assert asked(result, "ennn", lambda _: "x = (\n") == TEXT.encode(), "left as it is, it is given up"


def test_the_report_is_about_what_was_taken(result: MigrationResult) -> None:
    assert not any(place.is_open for place in result.left)
    assert counts(result.settled([])) == {"left alone": 3}
    assert not result.settled([]).done
    settled = result.settled(result.changes[:1])
    assert counts(settled) == {"by a proven rule": 1, "left alone": 2}
    assert {place.reason for place in settled.left} == {Reason.NOT_TAKEN}
    assert not any(place.is_open for place in result.settled(result.changes).left)


def test_the_last_line_of_a_cell_can_be_edited(tmp_path: Path) -> None:
    sources = ["import numpy as np\nx = np.in1d(1, 2)", "y = np.trapz(x)\n", "z = np.in1d(x, y)"]
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources]
    (tmp_path / "a.py").unlink(missing_ok=True)
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    upgrade, options = Upgrade("numpy", "1.26.4", "2.4.6"), MigrateOptions(environments=False)
    made = json.loads(
        asked(rewrite_project(tmp_path, upgrade, options, UPDATES), "eee", lambda text: text.rstrip() + "  # mine\n")
    )
    assert [cell["source"] for cell in made["cells"]] == [
        "import numpy as np\nx = np.isin(1, 2)  # mine", "y = np.trapezoid(x)  # mine\n", "z = np.isin(x, y)  # mine",
    ]  # fmt: skip


def test_a_change_that_touches_several_cells_is_edited_cell_by_cell(tmp_path: Path) -> None:
    sources = ["from numpy import in1d", "x = in1d(1, 2)\n", "y = in1d(3, 4)"]
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources]
    (tmp_path / "a.py").unlink(missing_ok=True)
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    upgrade, options = Upgrade("numpy", "1.26.4", "2.4.6"), MigrateOptions(environments=False)
    shown: list[str] = []
    made = json.loads(
        asked(rewrite_project(tmp_path, upgrade, options, UPDATES), "e", lambda text: shown.append(text) or text)
    )
    assert [cell["source"] for cell in made["cells"]] == [one.replace("in1d", "isin") for one in sources]
    assert shown == [one.replace("in1d", "isin") for one in sources]


def test_a_text_that_the_encoding_lacks_is_shown_again(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes("# coding: latin-1\nimport numpy as np\nx = np.in1d(1, 2)  # é\n".encode("latin-1"))
    upgrade, options = Upgrade("numpy", "1.26.4", "2.4.6"), MigrateOptions(environments=False)
    result = rewrite_project(tmp_path, upgrade, options, UPDATES)
    shown: list[str] = []
    told: list[str] = []

    def editor(text: str) -> str:
        shown.append(text)
        return text.replace("é", "€") if len(shown) == 1 else text.replace("€", "euro")

    (change,) = result.changes
    mine = edit_change(result.sources[change.file], change, editor, told.append)
    assert mine is not None
    assert result.files([mine])[0].new.endswith(b"# euro\n")
    assert shown[1] == "x = np.isin(1, 2)  # €\n"
    assert told == ["the file cannot hold that: iso8859-1 has no '€'"]
