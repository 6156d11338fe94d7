"""The report of a small run made by hand."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from recode.errors import RecodeError
from recode.evaluate.judging.migrations import SPLITS as FILES
from recode.evaluate.judging.migrations import JudgedMigration, as_row, judge, summary
from recode.evaluate.reports.quickstart import SPLITS, _plot_exact, write_report
from recode.invent import generate, generate_no_ops
from recode.prompts import response
from recode.records import Migration, write_jsonl, write_records, write_text

ARMS = ("able", "base", "sft", "grpo", "dapo")
HOSTILE = '\nmark = "<!-- <script> </script> & $seed"\n'


def entries(split: str) -> list[Migration]:
    made = list(itertools.islice(generate_no_ops(4, "test") if split == "no_op" else generate(len(split), "test"), 3))
    changed = {"old_code": made[0].old_code + HOSTILE, "new_code": made[0].new_code + HOSTILE}
    return [made[0].model_copy(update=changed), *made[1:]]


def judged(split: str, arm: str) -> list[JudgedMigration]:
    first, second, third = entries(split)
    code = second.old_code if arm == "base" else second.new_code
    return [
        judge(first, response("t</b>", first.new_code)),
        judge(second, response("t", code)),
        judge(third, "nothing"),
    ]


def logged(arm: str, step: int) -> dict[str, Any]:
    rl = {"reward": 2.0 + step / 10, "reward_of_copying": 2.5, "exact": 0.1 * step, "copy": 0.5} if arm != "sft" else {}
    return {"step": step, "loss": 1.0 / step, "seconds": 10.0 * step, **rl}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; its report is written."""
    folder = tmp_path_factory.mktemp("run")
    for split in SPLITS:
        write_records(folder / "data" / FILES[split][0], entries(split))
        for file in FILES[split][1:]:
            write_records(folder / "data" / file, [])
    arms: dict[str, Any] = {}
    for arm in ARMS:
        rows = {split: judged(split, arm) for split in SPLITS}
        for split, row in rows.items():
            write_jsonl(folder / arm / "evaluation" / f"{split}.jsonl", map(as_row, row))
        arms[arm] = {
            **{split: summary(row) for split, row in rows.items()},
            "forgetting": {"python_loss": 1.2345, "n": 3},
        }
        write_jsonl(folder / arm / "log.jsonl", [logged(arm, step) for step in range(1, 8)])
    change = {
        "exact": [0.1, 1 / 3, 0.5],
        "reward": [0.2, 0.3, 0.4],
        "lift": [-0.1, 0.1, 0.3],
        "copy": [-0.5, -0.3, 0.0],
    }
    none = {name: [0.0, 0.0, 0.0] for name in change}
    delta = {split: none if split == "no_op" else change for split in SPLITS}
    report = {"minutes": 12.34, "seed": 7, "arms": arms, "delta": dict.fromkeys(ARMS[2:], delta)}
    write_text(folder / "report.json", json.dumps(report))
    write_text(folder / "settings.json", json.dumps({"seed": 7, "data": str(folder / "data")}))
    write_report(folder)
    return folder


class Page(HTMLParser):
    """Collects tags, addresses and the texts of scripts as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_page_asks_for_nothing_from_outside(text: str) -> None:
    assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttpRequest", text)
    addresses = Page(text).addresses
    assert len(addresses) == 2
    assert all(address.startswith("data:image/png;base64,") for address in addresses)


def test_the_page_shows_every_arm_and_the_copy_baseline(text: str) -> None:
    assert "table" in Page(text).tags
    for arm in ARMS:
        assert f"</i>{arm}</th>" in text
    assert "copying the old code" in text
    assert "Seed 7, 12.3 minutes" in text
    assert "GRPO +33.3 points [+10.0, +50.0]" in text


def test_programs_cannot_end_the_pages_script(text: str) -> None:
    assert text.count("</script>") == 2
    # In a script, a comment's begin and a script's begin hide the script's end from the browser.
    assert text.count("<script") == 2
    examples = json.loads(Page(text).scripts[0])
    assert len(examples) == 3 * len(SPLITS)
    assert any(HOSTILE.strip() in line for line in examples[0]["gold"])


def test_examples_say_what_became_of_them(text: str) -> None:
    examples = json.loads(Page(text).scripts[0])
    verdicts = {(e["split"], arm, a["verdict"]) for e in examples for arm, a in e["answers"].items()}
    assert ("test_updates", "base", "copied") in verdicts
    assert ("test_updates", "base", "no answer") in verdicts
    assert ("test_updates", "grpo", "copied") not in verdicts
    assert all(set(e["answers"]) == set(ARMS) for e in examples)


def test_the_markdown_has_a_table_per_split_with_intervals(run: Path) -> None:
    text = (run / "report.md").read_text(encoding="utf-8")
    for split in SPLITS:
        assert f"## {split}:" in text
        assert "(n = 3)" in text
    assert "| grpo | 66.7% [+10.0, +50.0] |" in text
    assert "[+0.20, +0.40]" in text
    assert "| base | 33.3% |" in text
    assert text.count("| *copying* | 0% |") == 3
    # With every reward, not with the default one alone.
    assert re.search(r"## no_op:.*\| \*copying\* \| 100% \| \d\.\d\d \| 1 \|", text, re.DOTALL)
    assert "| base | 1.234 |" in text or "| base | 1.235 |" in text


def test_the_curves_are_written(run: Path) -> None:
    for name in ("curves.png", "exact.png"):
        assert (run / name).read_bytes().startswith(b"\x89PNG")


def test_an_interval_without_width_is_drawn(tmp_path: Path) -> None:
    arms = {arm: {split: {"exact": 0.1, "n": 3} for split in SPLITS} for arm in ARMS[:2]}
    arms["grpo"] = {split: {"exact": 0.3, "n": 3} for split in SPLITS}
    # 0.3 - (0.1 + 0.2) is below zero.
    delta = {"grpo": {split: {"exact": [0.2, 0.2, 0.2]} for split in SPLITS}}
    _plot_exact({"arms": arms, "delta": delta}, tmp_path / "exact.png")
    assert (tmp_path / "exact.png").exists()


def test_an_unfinished_run_is_one_error_line(tmp_path: Path) -> None:
    with pytest.raises(RecodeError, match="no finished quickstart here"):
        write_report(tmp_path)
