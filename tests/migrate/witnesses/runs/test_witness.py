"""`recode scan --run`: findings of a run beside those of the other witnesses, and what is said of the runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recode.cli.app import app
from recode.migrate.find.findings import Witness
from recode.migrate.witnesses.runs.silent import silent_changes
from recode.records import ApiUpdate, write_records

PROGRAM = """\
import sys

import toylib

print(toylib.spread([1, 4]))
print(len(toylib.keep([1])), toylib.first([2]))
if len(sys.argv) > 1:
    print(toylib.area([1.0]))
"""
QUIET = "import toylib\n\nprint(toylib.keep([3]))\n"


@pytest.fixture
def asked(tmp_path: Path, toy_index: Path) -> list[str]:
    (tmp_path / "main.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "quiet.py").write_text(QUIET, encoding="utf-8")
    update = ApiUpdate(
        family_id="first", library="toylib", old_version="1.0", new_version="2.0", kind="return_changed",
        old_symbol="toylib.first", new_symbol="", description="A change.", update_info="`first` changed.",
    )  # fmt: skip
    write_records(tmp_path / "updates.jsonl", [update])
    return ["scan", str(tmp_path), "--from", "1.0", "--to", "toylib==2.0", "--updates", str(tmp_path / "updates.jsonl")]


def test_findings_and_words(asked: list[str]) -> None:
    done = CliRunner().invoke(app, [*asked, "--run", "python main.py", "--json", "--confidence", "0"])
    assert done.exit_code == 1
    rows = {(row["line"], row["symbol"]): row for row in json.loads(done.stdout)}
    spread = rows[5, "toylib.spread"]
    assert (spread["column"], spread["witnesses"], spread["status"]) == (14, ["runs"], "breaks")
    assert spread["advice"] == "(1, 4); in 1.0: 3; continued with the value of the old release"
    assert spread["evidence"] == "`python main.py`, run with toylib 1.0 and 2.0"
    first = rows[6, "toylib.first"]
    assert first["witnesses"] == ["knowledge", "runs"]
    assert "FutureWarning: something else is deprecated" in first["evidence"]
    # No run comes here; types see it.
    assert rows[8, "toylib.area"]["witnesses"] == ["types"]


def test_what_was_run_is_said(asked: list[str]) -> None:
    done = CliRunner().invoke(
        app, [*asked, "--run", "python quiet.py", "--run", "nothing-like-it"], env={"COLUMNS": "200"}
    )
    assert "runs (`python quiet.py` with toylib 1.0 (twice) and 2.0: 4 of 4 evaluations compared)" in done.stdout
    assert "Changed behaviour is seen only where these runs came." in done.stdout
    assert (
        "not compared: runs: `nothing-like-it`: no expression of the project was evaluated (exit status 127"
        in done.stdout
    )
    assert "Nothing was run" not in done.stdout


def test_an_end_that_nothing_explains_counts(asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "main.py").unlink()
    # What `-c` runs is no code of the project.
    command = "python -c 'import toylib; print(toylib.spread([1, 4]))'; python quiet.py"
    done = CliRunner().invoke(app, [*asked, "--run", command], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert "0 uses break" in done.stdout
    assert "prints something else (exit status 0), and no expression of the project differs" in done.stdout


def test_runs_need_environments(asked: list[str]) -> None:
    done = CliRunner().invoke(app, [*asked, "--run", "python main.py", "--fast"])
    assert done.exit_code == 2


def test_releases_that_change_silently_get_a_hint(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import numpy\n", encoding="utf-8")
    asked = ["scan", str(tmp_path), "--from", "1.26.4", "--to", "numpy==2.1.0", "--fast"]
    done = CliRunner().invoke(app, asked, env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert "(NEP 50)" in done.stdout
    assert 'Add --run "python main.py"' in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [("1.26.4", "2.1.0", 2), ("2.0.0", "2.1.0", 0), (None, "2.0.0", 2), ("1.20", "1.26.4", 0), ("a", "b", 0)],
)
def test_silent_changes_lie_between_the_releases(old: str | None, new: str, count: int) -> None:
    assert len(silent_changes("NumPy", old, new)) == count


def test_the_witness_is_named() -> None:
    assert str(Witness.RUNS) == "runs"


def test_releases_of_python_cannot_be_compared_by_runs(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print(1 + 1)\n", encoding="utf-8")
    asked = ["scan", str(tmp_path), "--from", "3.11", "--to", "python==3.13", "--run", "python main.py"]
    done = CliRunner().invoke(app, asked, env={"COLUMNS": "200"})
    assert "not compared: runs: all environments are of one Python" in done.stdout
    assert "Nothing was run" in done.stdout
