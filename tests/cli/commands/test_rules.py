from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from recode.cli.app import app


def test_a_rule_that_was_learned_is_listed_and_followed(tmp_path: Path) -> None:
    before, after, project = tmp_path / "before.py", tmp_path / "after.py", tmp_path / "project"
    before.write_text("import mylib\nmylib.connect('db', timeout=3)\n")
    after.write_text("import mylib\nmylib.dial('db', wait=3)\n")
    project.mkdir()
    (project / "app.py").write_text("from mylib import connect\nc = connect(name, timeout=5)\n")
    run = CliRunner().invoke
    assert run(app, ["rules", "learn", str(before), str(after), "--project", str(project)]).exit_code == 0
    listed = run(app, ["rules", "mylib", "--project", str(project), "--json"])
    assert [one["pattern"] for one in json.loads(listed.stdout)] == ["mylib.connect($*items, timeout=$x, $**rest)"]
    shown = run(app, ["rules", "mylib", "--project", str(project)])
    assert "→ mylib.dial($*items, wait=$x, $**rest)" in shown.stdout
    updates = tmp_path / "updates.jsonl"
    updates.write_text("")
    command = [
        "migrate",
        str(project),
        "--to",
        "mylib==2.0",
        "--from",
        "1.0",
        "--offline",
        "--updates",
        str(updates),
        "--write",
    ]
    outcome = run(app, [*command, "--allow-dirty"])
    assert (project / "app.py").read_text() == "from mylib import dial\nc = dial(name, wait=5)\n", outcome.output


def test_the_libraries_that_have_rules_are_a_table() -> None:
    rows = CliRunner().invoke(app, ["rules", "libraries"]).stdout.splitlines()
    assert rows[0] == "| library | releases | rules | from the data set | from pairs written for rules |"
    cells = {row.split(" | ")[0].removeprefix("| "): row.removesuffix(" |").split(" | ")[1:] for row in rows[2:]}
    assert len(cells) >= 40
    assert cells["python"][0] == "3.9 → 3.13"
    assert all(int(rules) == int(found) + int(written) for _, rules, found, written in cells.values())
