"""CodeUpdateArena: references, solutions that leave the update aside, wrong ones, and the format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recode.errors import RecordError
from recode.evaluate.benchmarks import open_benchmark
from recode.evaluate.benchmarks.codeupdatearena import ArenaTask, CodeUpdateArena, read_arena
from recode.evaluate.results import summarize
from recode.records import read_jsonl, write_jsonl, write_text

OWN = Path(__file__).parents[3] / "data" / "codeupdatearena.jsonl"
QUICK = ("math", "itertools", "re")
IGNORING = {
    "[math.hypot]:[add-argument]:[update-0]:[prog_syn-0]": """
def tour_length(corners):
    return sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in zip(corners, corners[1:]))
""",
    "[itertools.compress]:[add-argument]:[update-0]:[prog_syn-0]": """
def to_delete(names, ticks):
    return [name for name, tick in zip(names, ticks) if not tick]
""",
    "[re.fullmatch]:[modify-function-name]:[update-0]:[prog_syn-0]": """
import re
def malformed(numbers):
    return [n for n in numbers if not re.fullmatch('[A-Z]{2}-[0-9]{4}', n)]
""",
}


@pytest.fixture(scope="module")
def lines() -> list[ArenaTask]:
    return read_arena(OWN)


def judged(lines: list[ArenaTask], answers: dict[str, list[str]]) -> dict[str, float]:
    """The metrics of answers by id."""
    arena = CodeUpdateArena("codeupdatearena", lines, "")
    items = {item.id: item for item in arena.items}
    asked = [(items[name], text) for name, texts in answers.items() for text in texts]
    rows = [
        {"id": item.id, "outcome": judgement.outcome, "scores": judgement.scores}
        for (item, _), judgement in zip(asked, arena.judge(asked, lambda n: None), strict=True)
    ]
    return summarize(rows, arena.counted, arena.averaged)


def test_our_items_cover_packages_and_kinds(lines: list[ArenaTask]) -> None:
    assert len(lines) >= 25
    assert {line.update.package for line in lines} == {"itertools", "math", "numpy", "pandas", "re", "sympy", "torch"}
    kinds = {line.update.update_type for line in lines}
    assert {
        "add-argument", "modify-argument-name", "deprecate-argument", "modify-function-name", "modify-argument-default_value(s)",
        "modify-output-semantics", "modify-output-data_type",
    } <= kinds  # fmt: skip
    assert all(len(line.tests()) >= 3 for line in lines)


def test_our_file_has_the_released_fields_and_no_other() -> None:
    update = "description rationale docstring signature imports implementation unit_tests update_type function_path package update_id"
    outer = "update update_id scenario problem solution_signature unit_tests imports ref_solution prog_syn_id"
    for _, row in read_jsonl(OWN):
        assert row["update"].keys() == set(update.split())
        assert row.keys() == set(outer.split())
        assert row["update_id"] == row["update"]["update_id"]


@pytest.mark.usefixtures("isolated")
def test_references_need_the_update(lines: list[ArenaTask]) -> None:
    chosen = [line for line in lines if line.update.package in QUICK]
    values = judged(chosen, {line.prog_syn_id: [line.ref_solution] for line in chosen})
    assert (values["pass@1"], values["UPass@1"], values["n"]) == (1.0, 1.0, len(chosen))


@pytest.mark.slow
@pytest.mark.usefixtures("isolated")
def test_references_of_all_packages_need_the_update(lines: list[ArenaTask]) -> None:
    values = judged(lines, {line.prog_syn_id: [line.ref_solution] for line in lines})
    assert (values["pass@1"], values["UPass@1"], values["n"]) == (1.0, 1.0, len(lines))


@pytest.mark.usefixtures("isolated")
def test_solutions_without_the_update_pass_and_do_not_use_it(lines: list[ArenaTask]) -> None:
    values = judged(lines, {name: [text] for name, text in IGNORING.items()})
    assert (values["pass@1"], values["UPass@1"]) == (1.0, 0.0)


@pytest.mark.usefixtures("isolated")
def test_rates_of_five_decodings_are_unbiased(lines: list[ArenaTask]) -> None:
    name = "[math.hypot]:[add-argument]:[update-0]:[prog_syn-0]"
    reference = next(line.ref_solution for line in lines if line.prog_syn_id == name)
    wrong = "def tour_length(corners):\n    return 7.0"
    values = judged(
        lines,
        {name: [reference, IGNORING[name], wrong, "no code at all (", "def tour_length(c):\n    return c.missing"]},
    )
    assert values["pass@1"] == pytest.approx(2 / 5)
    assert values["pass@2"] == pytest.approx(1 - (3 * 2) / (5 * 4))
    assert values["UPass@1"] == pytest.approx(1 / 5)
    assert (values["pass@5"], values["UPass@5"]) == (1.0, 1.0)


def test_the_note_is_in_one_prompt_and_not_in_the_other() -> None:
    with_note, without = open_benchmark("codeupdatearena"), open_benchmark("codeupdatearena_without_note")
    for one, other in zip(with_note.items, without.items, strict=True):
        assert "[DOC]" in one.prompt.messages[0][1]
        assert "[DOC]" not in other.prompt.messages[0][1]
        # One shot: a solved example, then the item with its first test.
        assert other.prompt.messages[0][1].count("Scenario:") == 2
        assert other.prompt.messages[0][1].count("[/PYTHON]") == 2
    decoding = with_note.decoding
    assert (decoding.samples, decoding.temperature, decoding.top_p, decoding.max_new_tokens) == (5, 0.8, 0.7, 512)


def test_the_authors_example_is_taken_from_beside_the_file(tmp_path: Path) -> None:
    rows = [row for _, row in read_jsonl(OWN)][:1]
    write_jsonl(tmp_path / "arena.jsonl", rows)
    task = {
        "scenario": "Theirs.",
        "problem": "p",
        "solution_signature": "f()",
        "unit_tests": ["def t(): 1"],
        "ref_solution": "def f(): 1",
    }
    write_text(tmp_path / "codeupdatearena_example.json", json.dumps({"prog_syn": task}))
    opened = open_benchmark("codeupdatearena", str(tmp_path / "arena.jsonl"))
    assert "Scenario: Theirs." in opened.items[0].prompt.messages[0][1]
    write_text(tmp_path / "codeupdatearena_example.json", "{}")
    with pytest.raises(RecordError, match="not an example in the benchmark's format"):
        open_benchmark("codeupdatearena", str(tmp_path / "arena.jsonl"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"problem": 3}, r"arena\.jsonl:1: field `problem`"),
        ({"unit_tests": "x ="}, r"arena\.jsonl:1: field `unit_tests`: no function"),
        (
            {"unit_tests": "def test_a():\n    pass\nreturn 1\n"},
            r"arena\.jsonl:1: field `unit_tests`: .*does not compile",
        ),
        ({"update": {}}, r"arena\.jsonl:1: field `update\.description`"),
    ],
)
def test_a_bad_line_is_named(change: dict[str, object], says: str, tmp_path: Path) -> None:
    row = {**next(iter(read_jsonl(OWN)))[1], **change}
    write_jsonl(tmp_path / "arena.jsonl", [row])
    with pytest.raises(RecordError, match=says):
        read_arena(tmp_path / "arena.jsonl")


def test_lists_of_the_authors_intermediate_files_are_read(tmp_path: Path) -> None:
    row = next(iter(read_jsonl(OWN)))[1]
    row = {**row, "unit_tests": row["unit_tests"].split("\n\n"), "imports": row["imports"].split("\n")}
    write_jsonl(tmp_path / "arena.jsonl", [row])
    assert read_arena(tmp_path / "arena.jsonl")[0].tests() == read_arena(OWN)[0].tests()
