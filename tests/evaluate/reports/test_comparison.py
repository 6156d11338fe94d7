"""Evaluations side by side: paired over shared items, seeds as seeds, and a page that asks for nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from recode.errors import RecordError
from recode.evaluate.reports.comparison import compare, main_score, parts, read_arms
from recode.evaluate.reports.comparison_page import write_comparison
from recode.evaluate.reports.dispatch import report_on
from recode.evaluate.results import summarize
from recode.records import write_jsonl, write_text

HOSTILE = '</script><script>document.title = "taken"</script><!-- <script> $data'


def evaluation(folder: Path, rights: dict[str, float | None], general: int = 8, copies: int = 1) -> Path:
    """Write a folder as `recode evaluate` does: some migrations by id, and ten HumanEval items of which `general` are right."""
    rows: list[dict[str, Any]] = []
    for name, value in rights.items():
        outcome = "ungradable" if value is None else "passed" if value else "failed"
        rows += [
            {
                "benchmark": "migrations", "id": name, "sample": copy, "outcome": outcome, "detail": "because", "scores": {"exact": value},
                "library": "numpy" if name < "m" else "pandas", "kind": "renamed", "group": name[0], "completion": f"why</think>{HOSTILE}",
                "answer": HOSTILE, "note": "the note", "given": "old()", "gold": "new()",
            }
            for copy in range(copies)
        ]  # fmt: skip
    for number in range(10):
        passed = number < general
        more = {"outcome": "passed" if passed else "failed", "scores": {"pass": float(passed)}}
        rows.append({"benchmark": "humaneval", "id": f"H/{number}", "completion": "x", **more})
    write_jsonl(folder / "samples.jsonl", rows)
    results = {
        name: summarize(
            [row for row in rows if row["benchmark"] == name], {"exact": "exact@{k}", "pass": "pass@{k}"}, ()
        )
        for name in ("migrations", "humaneval")
    }
    write_text(folder / "results.json", json.dumps(results))
    write_text(folder / "settings.json", json.dumps({"model": str(folder / "model")}))
    return folder


BASE = {"a1": 0.0, "a2": 0.0, "b1": 1.0, "n1": 0.0, "o1": 0.0, "p1": 0.0}
BETTER = {"a1": 1.0, "a2": 1.0, "b1": 1.0, "n1": 1.0, "o1": 1.0, "p1": 0.0}


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    base, better = evaluation(tmp_path / "base", BASE), evaluation(tmp_path / "better", BETTER, general=6)
    return [f"base={base}", f"better={better}"]


def test_differences_are_paired_over_shared_items(folders: list[str], tmp_path: Path) -> None:
    evaluation(tmp_path / "better", {**BETTER, "a1": None, "q1": 1.0})
    arms = read_arms(folders)
    assert main_score(arms[0], "migrations") == "exact"
    base, better = compare(arms, "migrations", "exact")
    assert (base["n"], base["rate"][1]) == (6, pytest.approx(1 / 6))
    assert (better["n"], better["pairs"], better["ungradable"]) == (6, 5, 1)
    assert better["difference"][1] == pytest.approx(3 / 5)
    assert better["mcnemar"] == {"lost": 0, "won": 3, "p": pytest.approx(0.25)}


def test_folders_of_one_name_are_seeds(tmp_path: Path) -> None:
    one, two = evaluation(tmp_path / "1", BETTER), evaluation(tmp_path / "2", BASE)
    base = evaluation(tmp_path / "base", BASE)
    _, grpo = compare(read_arms([f"base={base}", f"grpo={one}", f"grpo={two}"]), "migrations", "exact")
    assert (grpo["seeds"], grpo["n"]) == (2, 6)
    assert grpo["difference"][1] == pytest.approx(2 / 6)
    assert grpo["difference"][0] <= 0.0
    assert "mcnemar" not in grpo


def test_parts_are_of_the_items_that_the_rate_is_of(tmp_path: Path) -> None:
    one = evaluation(tmp_path / "1", {"a1": 1.0, "a2": 0.0, "n1": 1.0, "n2": 0.0})
    two = evaluation(tmp_path / "2", {"a1": 1.0, "a2": None, "n1": 1.0, "n2": None})
    arms = read_arms([f"grpo={one}", f"grpo={two}"])
    (row,) = compare(arms, "migrations", "exact")
    assert (row["n"], row["rate"][1]) == (2, 1.0)
    assert parts(arms, "migrations", "exact")["library"] == {"numpy": [(1.0, 1)], "pandas": [(1.0, 1)]}


def test_the_report_holds_tables_and_examples(folders: list[str], tmp_path: Path) -> None:
    page = Path(report_on(folders, tmp_path / "out"))
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest", text.replace('"http:" + "//www', ""))
    assert text.count("</script>") == 2
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "## migrations: exact" in markdown
    assert "| base | 16.7% [" in markdown
    assert "| better | 83.3% [" in markdown
    assert "| numpy | 33.3% | 100.0% | 3 |" in markdown
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["benchmarks"]["humaneval"]["arms"][1]["difference"][1] == pytest.approx(-0.2)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_page_works_in_a_browser(folders: list[str], tmp_path: Path) -> None:
    """Ten thousand rows: filters, opens an example, and lets no answer run as a script."""
    many = evaluation(tmp_path / "many", {f"z{i}": float(i % 2) for i in range(1000)}, copies=10)
    page = write_comparison([*folders, f"many={many}"], tmp_path / "out")
    drive = """<script>
    const told = []; const tell = () => told.push(by("count").textContent, document.querySelectorAll(".row").length);
    tell(); by("arm").value = "better"; by("outcome").value = "failed"; filter(); tell();
    by("arm").value = by("outcome").value = ""; by("text").value = "z999";
    const t = performance.now(); filter(); tell(); told.push(performance.now() - t < 5000);
    show(0);
    told.push(by("detail").querySelectorAll(".plus").length, by("gain").hidden, by("heat").hidden,
        document.querySelectorAll("svg").length, document.title);
    document.body.replaceChildren(document.createTextNode("TOLD" + JSON.stringify(told) + "END"));
    </script></body>"""
    driven = tmp_path / "driven.html"
    driven.write_text(page.read_text(encoding="utf-8").replace("</body>", drive), encoding="utf-8")
    command = [
        str(CHROMIUM),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
    ]
    done = subprocess.run([*command, driven.as_uri()], capture_output=True, text=True, timeout=300, check=False)
    told = re.search(r"TOLD(.*)END", done.stdout)
    assert told, done.stderr[-500:]
    rows, shown, failed, failed_shown, found, found_shown, fast, plus, gain, heat, plots, title = json.loads(
        told.group(1)
    )
    assert rows == "10042 of 10042"
    assert shown < 60
    assert (failed, failed_shown) == ("5 of 10042", 5)
    assert (found, found_shown, fast) == ("10 of 10042", 10, True)
    assert (plus, gain, heat, plots, title) == (1, False, False, 1, "ReCode evaluation")


def test_folders_without_an_evaluation_are_one_error(tmp_path: Path, folders: list[str]) -> None:
    with pytest.raises(RecordError, match=r"no results\.json and samples\.jsonl; evaluate first"):
        read_arms([*folders, f"x={tmp_path}"])
    (tmp_path / "better" / "samples.jsonl").write_text('{"benchmark": "b", "id": "a"}\n')
    with pytest.raises(RecordError, match=r"samples\.jsonl:1: field `outcome` is missing"):
        read_arms(folders)


def test_folders_without_a_name_of_their_own_are_refused(tmp_path: Path) -> None:
    one, two = evaluation(tmp_path / "a" / "evaluation", BASE), evaluation(tmp_path / "b" / "evaluation", BETTER)
    with pytest.raises(RecordError, match="is called `evaluation` too; give each a name"):
        read_arms([str(one), str(two)])
    with pytest.raises(RecordError, match="is named twice"):
        read_arms([f"x={one}", f"y={one}"])


def test_an_item_with_a_sample_less_has_no_estimate(tmp_path: Path) -> None:
    arms = read_arms([f"a={evaluation(tmp_path / 'a', BASE)}"])
    assert compare(arms, "migrations", "exact@2")[0]["n"] == 0


def test_graded_items_that_lack_the_score_are_counted_and_shown(tmp_path: Path) -> None:
    folder = evaluation(tmp_path / "a", BASE)
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if row["id"] == "a1":
            row["scores"] = {"exact": None}
    write_jsonl(folder / "samples.jsonl", rows)
    (row,) = compare(read_arms([f"a={folder}"]), "migrations", "exact")
    assert (row["n"], row["without_score"], row["ungradable"]) == (5, 1, 0)
    write_comparison([f"a={folder}"], tmp_path / "out")
    for name in ("report.md", "report.html"):
        assert "1 without score" in (tmp_path / "out" / name).read_text(encoding="utf-8")
