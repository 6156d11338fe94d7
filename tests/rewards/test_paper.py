"""The paper family agrees with the published implementation on 300 scored completions, faults included."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recode.prompts import response
from recode.rewards import score

SHARED = Path(os.environ.get("RECODE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
PARITY = SHARED / "data" / "reward_parity.json"


@pytest.mark.skipif(not PARITY.is_file(), reason=f"the published scores are not at {PARITY} (set RECODE_SHARED)")
def test_parity_with_the_published_scores() -> None:
    rows = json.loads(PARITY.read_text(encoding="utf-8"))
    assert len(rows) == 300
    for row in rows:
        scores = score(row["completion"], row["target"], family="paper")
        published = [row["format"], row["em_star"], row["es_star"]]
        assert [scores["format"], scores["exact"], scores["edit"]] == pytest.approx(published, rel=0, abs=1e-9)


def test_known_faults() -> None:
    hidden = response("t", "x = 1\n# don't\ny = 2\n# won't\n")
    assert score(hidden, "x = 1", family="paper")["edit"] == 2.0
    several = "</think><answer>a</answer></think> <answer>b</answer>\n"
    assert score(several, "x", family="paper")["format"] == 1.0
    assert score(several + "\n", "x", family="paper")["format"] == -1.0


def test_two_programs_of_comments_only_are_ungradable() -> None:
    scores = score(response("t", "# one"), "# two", "# three", family="paper")
    assert (scores["edit"], scores.total) == (None, None)
    assert scores["exact"] == 2.0
