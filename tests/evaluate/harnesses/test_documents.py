from __future__ import annotations

import pytest

from recode.errors import RecodeError
from recode.evaluate.harnesses.documents import SPLITS, documents, scores
from recode.prompts import response


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_documents_whose_gold_is_right(split: str) -> None:
    found = documents(split)
    assert len({one["id"] for one in found}) == len(found) > 30
    for one in found:
        assert one["prefill"] == "<think>"
        assert one["system"]
        assert one["user"]
        assert one["gold"].startswith("</think>")


def test_a_gold_and_a_copy_of_the_old_code_have_the_scores_of_our_own_judge() -> None:
    one = documents("test_generated")[0]
    assert scores(one, one["gold"]) == {
        "passed": 1.0, "exact": 1.0, "edit": 1.0, "format": 1.0, "lift": 1.0, "copy": 0.0, "graded": 1.0,
    }  # fmt: skip
    old = one["user"].partition("```python\n")[2].partition("\n```")[0]
    copied = scores(one, response("", old))
    assert (copied["passed"], copied["exact"], copied["copy"], copied["lift"]) == (0.0, 0.0, 1.0, 0.0)
    assert scores(one, "no answer")["format"] == 0.0


def test_another_split_is_refused() -> None:
    with pytest.raises(RecodeError, match="no split is called `humaneval`"):
        documents("humaneval")
