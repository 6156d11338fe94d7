"""The contract of `recode reward`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recode.cli import app as cli
from recode.prompts import response

GOLD, OLD = "x = new(1)", "x = old(1)"


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["recode", "reward", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def test_scores_every_line_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"completion": response("t", GOLD), "target": GOLD},
        {"completion": response("t", OLD), "target": GOLD, "old_code": OLD, "id": "ignored"},
        {"completion": "", "target": "x =", "old_code": None},
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    code, out, err = run(monkeypatch, capsys, file)
    assert (code, err) == (0, "")
    first, second, third = map(json.loads, out.splitlines())
    assert first == {"format": 1.0, "exact": 2.0, "edit": 2.0, "total": 3.0}
    assert second["lift"] == 0.0
    assert second["total"] == pytest.approx(second["format"] + second["edit"])
    assert third == {"format": -1.0, "exact": None, "edit": None, "total": None}
    code, out, _ = run(monkeypatch, capsys, file, "--family", "paper")
    assert json.loads(out.splitlines()[0])["total"] == 3.0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"completion": "a"}', ":2: field `target`: missing; text is expected"),
        ('{"completion": 1, "target": "a"}', ":2: field `completion`: a int where text is expected"),
        ('{"completion": "", "target": "a", "old_code": []}', ":2: field `old_code`: a list where text is expected"),
        ("{", ":2: not valid JSON"),
        ("[]", ":2: a list where a JSON object is expected"),
    ],
)
def test_bad_input_is_one_error_line_and_no_output(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f'{{"completion": "", "target": ""}}\n{line}\n', encoding="utf-8")
    code, out, err = run(monkeypatch, capsys, file)
    assert (code, out) == (2, "")
    assert f"{file}{message}" in err
    assert err.count("\n") == 1


def test_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(monkeypatch, capsys, tmp_path / "none.jsonl")
    assert (code, out, err.count("\n")) == (2, "", 1)
    (tmp_path / "empty.jsonl").touch()
    code, out, err = run(monkeypatch, capsys, tmp_path / "empty.jsonl", "--family", "loose")
    assert (code, out) == (2, "")
    assert "unknown reward family `loose`; choose from strict, paper" in err


def test_help_shows_an_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(monkeypatch, capsys, "--help")
    assert code == 0
    assert "recode reward completions.jsonl" in out


def test_rewards_load_no_training_library() -> None:
    check = "import sys, recode.cli.app, recode.rewards.lines; sys.exit(bool({'torch', 'trl'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
