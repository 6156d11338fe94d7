"""The project's splits as a benchmark: which scores come from the text, which from running, and which are missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from recode.dataset.note_levels import read_notes
from recode.errors import RecodeError
from recode.evaluate.benchmark import Item
from recode.evaluate.benchmarks import open_benchmark
from recode.evaluate.benchmarks.migrations import Migrations
from recode.evaluate.results import summarize
from recode.invent import generate
from recode.prompts import response
from recode.records import Migration
from recode.rewards import execution
from recode.sandbox.environments import Environment
from recode.shipped import shipped


@pytest.fixture(scope="module")
def made_up() -> list[Migration]:
    return list(itertools.islice(generate(5, "test"), 4))


def test_made_up_entries_are_judged_by_text(made_up: list[Migration]) -> None:
    benchmark = Migrations("test_generated", [("test_generated", entry) for entry in made_up], Path("data/locks"))
    texts = [response("t", made_up[0].new_code), response("t", made_up[1].old_code), "nothing", response("t", "x = 1")]
    judged = benchmark.judge(list(zip(benchmark.items, texts, strict=True)), lambda n: None)
    assert [one.outcome for one in judged] == ["passed", "failed", "failed", "failed"]
    assert [one.detail.split(";")[0] for one in judged] == ["exact", "copied", "no answer", "differs"]
    assert all(one.scores["execution"] is None and "made-up library" in one.detail for one in judged)
    rows = [
        {"id": item.id, "outcome": one.outcome, "scores": one.scores}
        for item, one in zip(benchmark.items, judged, strict=True)
    ]
    values = summarize(rows, benchmark.counted, benchmark.averaged)
    assert (values["exact"], values["format"], values["copy"], values["n"]) == (0.25, 0.75, 0.25, 4)
    assert "execution" not in values


@pytest.mark.usefixtures("isolated")
def test_real_entries_run_on_the_new_release(toy_new: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Migration(
        family_id="toy-area", library="toylib", old_version="1.0", new_version="2.0", kind="renamed", old_symbol="area", new_symbol="surface",
        description="d", update_info="area is now surface", id="toy-area-1", old_code="import toylib\nprint(toylib.area([1, 2]))\n",
        new_code="import toylib\nprint(toylib.surface([1, 2]))\n", stdout="6.0\n", locks=("old", toy_new.digest), author="person",
    )  # fmt: skip
    monkeypatch.setattr(
        execution, "environment_of", lambda digest, locks: toy_new if digest == toy_new.digest else None
    )
    benchmark = Migrations("test_updates", [("test_updates", entry)], Path("data/locks"))
    other_way = "import toylib\nanswer = toylib.surface([1, 2])\nprint(answer)\n"
    item: Item = benchmark.items[0]
    judged = benchmark.judge(
        [(item, response("t", code)) for code in (entry.new_code, other_way, entry.old_code)], lambda n: None
    )
    assert [(one.outcome, one.scores["exact"], one.scores["execution"]) for one in judged] == [
        ("passed", 1.0, 1.0),
        ("passed", 0.0, 1.0),
        ("failed", 0.0, 0.0),
    ]


def test_an_environment_that_cannot_be_had_is_said(made_up: list[Migration], monkeypatch: pytest.MonkeyPatch) -> None:
    entry = made_up[0].model_copy(update={"locks": ("a", "b"), "stdout": "1\n", "author": "person"})
    monkeypatch.setattr(execution, "environment_of", lambda digest, locks: None)
    benchmark = Migrations("test_updates", [("test_updates", entry)], Path("data/locks"))
    (one,) = benchmark.judge([(benchmark.items[0], response("t", entry.new_code))], lambda n: None)
    assert (one.outcome, one.scores["execution"]) == ("passed", None)
    assert "no lock has the digest" in one.detail


def test_what_is_loaded_beforehand_is_the_module_and_not_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []

    def score(*args: object) -> float:
        kept.append(str(args[-1]))
        return 1.0

    monkeypatch.setattr(execution, "score", score)
    monkeypatch.setattr(execution, "environment_of", lambda digest, locks: Environment(Path("/"), Path("/"), ""))
    known = [("pillow", "PIL.Image.Image.getdata(band)"), ("scikit-learn", "sklearn.a.B"), ("toylib", "")]
    for library, old_symbol in known:
        entry = Migration(
            family_id="a", library=library, old_version="1", new_version="2", kind="renamed", old_symbol=old_symbol, new_symbol="b",
            description="d", update_info="u", id="a", old_code="x = 1\n", new_code="x = 2\n", stdout="", locks=("a", "b"), author="person",
        )  # fmt: skip
        benchmark = Migrations("test_updates", [("test_updates", entry)], Path("data/locks"))
        benchmark.judge([(benchmark.items[0], response("t", entry.new_code))], lambda n: None)
    assert kept == ["PIL", "sklearn", ""]


def test_a_level_changes_the_note_in_the_prompt_and_nothing_else() -> None:
    plain, section, none = (open_benchmark(name) for name in ("validation", "validation@section", "validation@none"))
    assert [item.id for item in plain.items] == [item.id for item in section.items]
    notes = read_notes(shipped("data"))
    given = [item for item in section.items if not item.unavailable]
    assert 0 < len(given) < len(section.items), "an update without a section is counted as unavailable"
    for item in given:
        assert item.note == notes[item.group].text("section")
        assert item.note.strip() in item.prompt.messages[1][1]
    assert not any("<doc>" in item.prompt.messages[1][1] for item in none.items)
    with pytest.raises(RecodeError, match="NAME@LEVEL"):
        open_benchmark("validation@whole")
    with pytest.raises(RecodeError, match="humaneval@section"):
        open_benchmark("humaneval@section")


def test_a_further_right_answer_is_exact(make_entry: Callable[..., Migration]) -> None:
    other = "import toylib\nprint(toylib.extent([1]))\n"
    entry = make_entry(alternatives=(other,))
    benchmark = Migrations("test_updates", [("test_updates", entry)], Path("data/locks"))
    judged = benchmark.judge([(benchmark.items[0], response("t", other))], lambda n: None)
    assert judged[0].scores["exact"] == 1.0
