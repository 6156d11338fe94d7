"""Judging completions, and judging whole splits in order."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recode.errors import RecordError
from recode.evaluate.judging import migrations
from recode.evaluate.judging.migrations import evaluate, judge, read_split, summary
from recode.invent import generate, generate_no_ops
from recode.models import Sampling
from recode.prompts import response
from recode.records import Migration, write_records

TOKENIZER = SimpleNamespace(chat_template=None)


@pytest.fixture(scope="module")
def entries() -> list[Migration]:
    return list(itertools.islice(generate(21, "test"), 6))


def test_the_gold_answer_gets_full_marks(entries: list[Migration]) -> None:
    judged = judge(entries[0], response("So it is.", entries[0].new_code))
    assert (judged.exact, judged.edit, judged.reward, judged.lift) == (True, 1.0, 3.0, 1.0)
    assert (judged.copied, judged.well_formed) == (False, True)
    assert judged.id == entries[0].id


def test_a_copy_earns_the_reward_of_copying_and_no_lift(entries: list[Migration]) -> None:
    judged = judge(entries[0], response("So it is.", entries[0].old_code))
    assert (judged.exact, judged.lift, judged.copied, judged.well_formed) == (False, 0.0, True, True)
    assert judged.reward == judged.reward_of_copying
    assert 0 < (judged.edit or 0) < 1


def test_a_copy_is_right_for_a_no_op() -> None:
    entry = next(generate_no_ops(3, "test"))
    judged = judge(entry, response("Nothing to do.", entry.old_code))
    assert (judged.exact, judged.copied, judged.reward, judged.reward_of_copying) == (True, True, 3.0, 3.0)


def test_comments_and_blank_lines_do_not_count(entries: list[Migration]) -> None:
    assert judge(entries[0], response("", f"# a remark\n\n{entries[0].new_code}")).exact


def test_another_layout_of_the_gold_is_exact_and_one_of_the_old_code_is_a_copy(entries: list[Migration]) -> None:
    for entry in entries:
        gold, old = (
            ast.unparse(ast.parse(code)).replace(", ", " ,\\\n  ") for code in (entry.new_code, entry.old_code)
        )
        assert (gold, old) != (entry.new_code, entry.old_code)
        judged = judge(entry, response("So it is.", gold))
        assert (judged.exact, judged.edit, judged.lift, judged.copied) == (True, 1.0, 1.0, False)
        judged = judge(entry, response("So it is.", old))
        assert (judged.exact, judged.lift, judged.copied) == (False, 0.0, True)
        assert judged.reward == judged.reward_of_copying


@pytest.mark.parametrize(
    "completion", ["", "no answer", "t</think>\n<answer>\nplain text\n</answer>", "t</think><answer>"]
)
def test_a_malformed_answer_gets_the_lowest_marks(completion: str, entries: list[Migration]) -> None:
    judged = judge(entries[0], completion)
    assert (judged.exact, judged.edit, judged.copied) == (False, 0.0, False)
    assert (judged.reward or 0) <= -1


def test_the_answer_counts_where_the_form_is_broken(entries: list[Migration]) -> None:
    judged = judge(entries[0], response("t", entries[0].new_code) + "\nand more")
    assert (judged.exact, judged.well_formed, judged.reward) == (True, False, 1.0)


def test_a_gold_that_is_no_program_is_not_graded(entries: list[Migration]) -> None:
    judged = judge(entries[0].model_copy(update={"new_code": "x ="}), response("", "x = 1"))
    assert (judged.exact, judged.edit, judged.reward) == (None, None, None)
    assert summary([judged]) == {"n": 0, "ungradable": 1}


def test_the_summary_is_the_mean_over_graded_completions(entries: list[Migration]) -> None:
    texts = [response("", entries[0].new_code), response("", entries[0].old_code), "nothing", response("", "x = 1")]
    judged = [judge(entries[0], text) for text in texts]
    judged.append(judge(entries[0].model_copy(update={"new_code": "x ="}), texts[0]))
    values = summary(judged)
    assert (values["exact"], values["copy"], values["well_formed"]) == (0.25, 0.25, 0.75)
    assert (values["n"], values["ungradable"]) == (4, 1)


@pytest.fixture
def answered(entries: list[Migration], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Instead of a model: every first sample is the gold, every other one a copy; the sizes of batches are kept."""
    sizes: list[int] = []

    def complete(model: Any, tokenizer: Any, prompts: list[str], samples: int, sampling: Sampling) -> list[list[str]]:
        sizes.append(len(prompts))
        found = [next(e for e in entries if e.update_info in p and e.old_code.rstrip() in p) for p in prompts]
        return [[response("", e.new_code), *[response("", e.old_code)] * (samples - 1)] for e in found]

    monkeypatch.setattr(migrations, "complete", complete)
    return sizes


def test_entries_are_judged_in_their_order(entries: list[Migration], answered: list[int]) -> None:
    done: list[int] = []
    judged = evaluate(None, TOKENIZER, entries, samples=2, together=4, on_done=done.append)
    assert [[one.id for one in group] for group in judged] == [[entry.id] * 2 for entry in entries]
    assert [[one.exact for one in group] for group in judged] == [[True, False]] * len(entries)
    assert answered == done == [4, 2]


def test_headroom_ends_a_batch_after_its_longest_gold(
    entries: list[Migration], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []

    def complete(model: Any, tokenizer: Any, prompts: list[str], samples: int, sampling: Sampling) -> list[list[str]]:
        limits.append(sampling.max_new_tokens)
        return [[""]] * len(prompts)

    def words(texts: list[str], add_special_tokens: bool) -> dict[str, list[list[str]]]:
        return {"input_ids": [text.split() for text in texts]}

    monkeypatch.setattr(migrations, "complete", complete)
    monkeypatch.setattr(migrations, "render", lambda tokenizer, entry, code: code)
    longest = max(len(entry.new_code.split()) for entry in entries)
    evaluate(None, words, entries, headroom=7)
    evaluate(None, words, entries, headroom=7, sampling=Sampling(max_new_tokens=5, temperature=0.0))
    evaluate(None, words, entries, sampling=Sampling(max_new_tokens=500, temperature=0.0))
    assert limits == [longest + 7, 5, 500]


@pytest.fixture
def data(entries: list[Migration], tmp_path: Path) -> Path:
    write_records(tmp_path / "data" / "test_generated.jsonl", entries)
    return tmp_path / "data"


def test_a_split_is_read_from_its_files(data: Path, entries: list[Migration]) -> None:
    assert read_split("test_generated", data) == entries
    with pytest.raises(RecordError, match="no split is called `tests`; choose from test_generated"):
        read_split("tests", data)
    with pytest.raises(RecordError, match="cannot be read"):
        read_split("test_updates", data)
