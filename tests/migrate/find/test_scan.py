"""Scanning a project: findings with their places, what is skipped, and the forms of output."""

from __future__ import annotations

import codecs
import json
import os
import signal
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import recode
from recode.cli.app import app
from recode.errors import ProcessEndedError, RecodeError, RecordError
from recode.knowledge.store import read_updates
from recode.migrate.find.findings import ScanResult
from recode.migrate.find.scan import scan
from recode.migrate.pipeline import rewrite_project
from recode.migrate.report.page import report_page
from recode.migrate.report.scan import as_json, as_sarif, print_table
from recode.migrate.result import MigrateOptions, Upgrade
from recode.records import ApiUpdate, Evidence

RUN = CliRunner()
FIELDS = [
    "file",
    "line",
    "column",
    "symbol",
    "kind",
    "status",
    "since",
    "evidence",
    "confidence",
    "advice",
    "witnesses",
]


def update(symbol: str, kind: str = "removed", **given: str) -> ApiUpdate:
    proof = Evidence(source="release notes", package_version="2.0", file="NEWS", line=3, quote="gone\nnow")
    fields = {
        "family_id": symbol, "library": "toy", "old_version": "1.0", "new_version": "2.0", "removed_in": "2.0", "kind": kind,
        "old_symbol": symbol, "new_symbol": "", "description": "It is gone.", "update_info": "Do without.",
    }  # fmt: skip
    return ApiUpdate.model_validate({**fields, "evidence": (proof,), **given})


def places(folder: Path, text: str, *updates: ApiUpdate, confidence: float = 0.5) -> list[tuple[int, int, int, str]]:
    (folder / "a.py").write_text(text, encoding="utf-8")
    found = scan(folder, updates, confidence=confidence, workers=1).findings
    return [(one.line, one.column, one.end_column, one.symbol) for one in found]


def test_places_are_those_of_the_name_in_characters(tmp_path: Path) -> None:
    text = "import toy\nprint('é', toy.old(1)); x = ('ü', toy.other(\n  key=toy.old))\n"
    found = places(tmp_path, text, update("toy.old"), update("toy.other(key)", "parameter_removed"))
    assert found == [(2, 16, 19, "toy.old"), (3, 3, 6, "toy.other(key)"), (3, 11, 14, "toy.old")]


def test_every_row_has_the_fields(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import toy\ntoy.old()\n")
    [finding] = scan(tmp_path, [update("toy.old")]).findings
    assert list(finding.row()) == FIELDS
    assert finding.row()["evidence"] == "gone now (release notes, toy 2.0, NEWS:3)"
    assert json.loads(json.dumps(finding.row()))["status"] == "breaks"


def test_encodings_line_ends_and_marks(tmp_path: Path) -> None:
    (tmp_path / "crlf.py").write_bytes(b"import toy\r\ntoy.old()\r\n")
    (tmp_path / "mark.py").write_bytes(codecs.BOM_UTF8 + b"import toy\ntoy.old()\n")
    (tmp_path / "latin.py").write_bytes("# coding: latin-1\nimport toy; s = 'é'; toy.old()\n".encode("latin-1"))
    (tmp_path / "wrong.py").write_bytes("import toy; s = 'é'; toy.old()\n".encode("latin-1"))
    (tmp_path / "old.py").write_text("import toy\nprint toy.old\n")
    result = scan(tmp_path, [update("toy.old")])
    assert [(one.file.name, one.line, one.column) for one in result.findings] == [
        ("crlf.py", 2, 5), ("latin.py", 2, 26), ("mark.py", 2, 5),
    ]  # fmt: skip
    assert {skip.file.name: skip.reason.partition(" (")[0] for skip in result.skipped} == {
        "old.py": "does not parse", "wrong.py": "not utf-8",
    }  # fmt: skip


def test_notebooks_share_their_names_and_cells_keep_their_lines(tmp_path: Path) -> None:
    sources = [["%pip install toy\n", "import toy as t"], ["# text\n", "t.old()"], "this is no python"]
    cells = [{"cell_type": "code", "source": source} for source in sources]
    cells.insert(1, {"cell_type": "markdown", "source": "t.old()"})
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    result = scan(tmp_path, [update("toy.old")])
    assert [(one.cell, one.line, one.column) for one in result.findings] == [(2, 2, 3)]
    assert "cell 3" in result.skipped[0].reason


def test_a_notebook_that_is_nested_too_deeply_is_left_out(tmp_path: Path) -> None:
    source = "import toy\ntoy.old()\nprint(" + " + ".join(["'a'"] * 900) + ")\n"
    cells = [{"cell_type": "code", "source": source}]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    (tmp_path / "a.py").write_text("import toy\ntoy.old()\n")
    result = scan(tmp_path, [update("toy.old")])
    assert [one.file.name for one in result.findings] == ["a.py"]
    assert [one.reason for one in result.skipped] == ["nested too deeply"]


def test_a_wrong_line_of_updates_is_named(tmp_path: Path) -> None:
    good = update("toy.old").model_dump(mode="json")
    for rows in ([{"old_code": "x"}], [{"update": {}}], [{"update": good}, {"old_code": "x"}]):
        (tmp_path / "updates.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(RecordError, match=rf"updates\.jsonl:{len(rows)}: field .*recode collect"):
            read_updates(tmp_path / "updates.jsonl")
    (tmp_path / "updates.jsonl").write_text(json.dumps({**good, "old_code": "x", "update_info": "y"}) + "\n")
    assert read_updates(tmp_path / "updates.jsonl").knowledge.updates[0].update_info == "y"


def test_receivers(tmp_path: Path) -> None:
    text = (
        "import toy\nfrom typing import Optional\n"
        "class Own(toy.Box): pass\n"
        "def f(a: toy.Box, b: Optional['toy.Box'], c):\n"
        "    a.open(); b.open(); c.open(); Own().open()\n"
        "    assert isinstance(c, toy.Box)\n"
        "    c.open()\n"
        "    a = 3\n"
        "    a.open()\n"
    )
    found = places(tmp_path, text, update("toy.Box.open"))
    assert [line for line, *_ in found] == [5, 5, 5, 7]


def test_the_projects_own_modules_pass_libraries_on(tmp_path: Path) -> None:
    (tmp_path / "common.py").write_text("import toy\nfrom toy import old\n")
    (tmp_path / "user.py").write_text("from . import common as c\nfrom .common import old as o\nc.toy.old()\no()\n")
    found = scan(tmp_path, [update("toy.old")]).findings
    assert [(one.file.name, one.line) for one in found] == [
        ("common.py", 2),
        ("user.py", 2),
        ("user.py", 3),
        ("user.py", 4),
    ]


def test_less_sure_findings_are_asked_for(tmp_path: Path) -> None:
    text = "import toy\nif hasattr(toy, 'new'):\n    toy.new()\nelse:\n    toy.old()\n"
    assert places(tmp_path, text, update("toy.old")) == []
    assert len(places(tmp_path, text, update("toy.old"), confidence=0.0)) == 1


def test_many_files_in_several_processes_give_the_same(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"m{number:03}.py").write_text(f"import toy\n{'#' * number}\ntoy.old()\n")
    alone, together = (scan(tmp_path, [update("toy.old")], workers=count) for count in (1, 2))
    assert alone == together
    assert (alone.files, len(alone.findings), alone.lines) == (100, 100, 300)


def test_sarif_is_what_review_tools_read(tmp_path: Path) -> None:
    (tmp_path / "a b.py").write_text("import toy\ntoy.old()\n")
    log = json.loads(as_sarif(scan(tmp_path, [update("toy.old")]), tmp_path))
    [run] = log["runs"]
    [result] = run["results"]
    location = result["locations"][0]["physicalLocation"]
    assert (log["version"], result["level"]) == ("2.1.0", "error")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert location["artifactLocation"] == {"uri": "a%20b.py", "uriBaseId": "ROOT"}
    assert location["region"] == {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 8}
    assert run["originalUriBaseIds"]["ROOT"]["uri"].endswith("/")


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import numpy as np\nnp.float_(1)\nnp.in1d([1], [1])\n")
    asked = [str(tmp_path), "--to", "numpy==2.0.0", "--from", "1.26.4", "--fast"]
    done = RUN.invoke(app, ["scan", *asked, "--json", "--sarif", str(tmp_path / "out.sarif")])
    rows = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [(row["symbol"], row["status"]) for row in rows] == [
        ("numpy.float_", "breaks"),
        ("numpy.in1d", "deprecated"),
    ]
    assert all(list(row) == FIELDS for row in rows)
    assert len(json.loads((tmp_path / "out.sarif").read_text())["runs"][0]["results"]) == 2
    (tmp_path / "a.py").write_text("import numpy as np\nnp.in1d([1], [1])\n")
    table = RUN.invoke(app, ["scan", *asked])
    assert table.exit_code == 0, "what only warns breaks nothing"
    assert "1 are deprecated" in table.stdout


def test_a_file_of_updates_instead_of_what_is_known(tmp_path: Path) -> None:
    from recode.records import write_records

    (tmp_path / "a.py").write_text("import toy\ntoy.old()\n")
    write_records(tmp_path / "toy.jsonl", [update("toy.old")])
    result = recode.scan(tmp_path, to="toy==2.0", from_="1.0", updates=tmp_path / "toy.jsonl", fast=True)
    assert isinstance(result, ScanResult)
    assert result.breaks


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecodeError, match="no such file"):
        recode.scan(tmp_path / "missing", to="numpy==2.0.0")
    with pytest.raises(RecodeError, match="give --from"):
        recode.scan(tmp_path, to="nosuchlibraryhere==2.0.0")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rot.py", b"# -*- coding: rot13 -*-\n"),
        ("undefined.py", b"# coding: undefined\n"),
        ("null.ipynb", b'{"cells": [{"cell_type": "code", "source": null}]}'),
    ],
)
def test_an_odd_file_is_reported_and_the_others_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "a.py").write_text("import toy\ntoy.old()\n")
    result = scan(tmp_path, [update("toy.old")], workers=1)
    assert [one.file.name for one in result.findings] == ["a.py"]
    assert [one.file.name for one in result.skipped] == [name]


def test_names_that_are_not_utf8_are_escaped_or_have_replacement_characters(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.py")).write_text("import toy\ntoy.old()\n")
    (tmp_path / os.fsdecode(b"th\xe9.py")).write_text("import toy\ntoy.old(\n")
    renamed = update("toy.old", "renamed", new_symbol="toy.new")
    result = scan(tmp_path, [renamed], workers=1)
    assert json.loads(as_json(result).encode())[0]["file"] == "caf\ufffd.py"
    log = json.loads(as_sarif(result, tmp_path).encode())["runs"][0]
    location = log["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert location == "caf%E9.py"
    assert "th\ufffd.py" in log["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    with (tmp_path / "table").open("w", encoding="utf-8") as table:
        print_table(result, Console(file=table), "move")
    migrated = rewrite_project(tmp_path, Upgrade("toy", "1.0", "2.0"), MigrateOptions(environments=False), [renamed])
    page = report_page(migrated).encode().decode()
    assert "caf\\xe9.py</h3><ul class=places>\n<li>" in page
    assert "th\\xe9.py" in page


def test_two_scans_at_once_do_not_mix(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.py").write_text("import toy\ntoy.old()\ntoy.other()\n")

    def inside(done: int, total: int) -> None:
        assert {one.symbol for one in scan(tmp_path, [update("toy.other")], workers=1).findings} == {"toy.other"}

    found = scan(tmp_path, [update("toy.old")], workers=1, on_progress=inside).findings
    assert [one.symbol for one in found] == ["toy.old"] * 3


def test_a_process_that_is_ended_from_outside_is_one_error_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        (tmp_path / f"f{number}.py").write_text("import toy\n", encoding="utf-8")
    monkeypatch.setattr("recode.migrate.find.scan._read_file", ends)
    with pytest.raises(ProcessEndedError, match="use fewer --jobs or --workers"):
        scan(tmp_path, [update("toy.old")], workers=2)


def ends(file: Path, **_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
