"""What the shipped data set says of its authors."""

from __future__ import annotations

from collections import Counter

from recode.dataset.exports import SPLITS
from recode.dataset.sources import read_sources
from recode.records import BY_RULES, UNRECORDED_MODEL, Migration, read_records
from recode.shipped import shipped


def test_no_shipped_record_says_that_a_person_wrote_it() -> None:
    authors: Counter[tuple[str, str]] = Counter()
    for split in SPLITS:
        for entry in read_records(shipped(f"@{split}"), Migration):
            made_up = split.endswith("_generated")
            authors[entry.author, "made up" if made_up else "real"] += 1
            assert entry.author_means.startswith(BY_RULES if made_up else UNRECORDED_MODEL)
    assert authors == {("model", "real"): 2098 + 147 + 37 + 332 + 89 + 284, ("generator", "made up"): 240 + 80}


def test_the_update_sources_say_so_too() -> None:
    candidates = read_sources([shipped("data/sources")])
    assert {(one.entry.author, one.entry.author_means) for one in candidates} == {("model", UNRECORDED_MODEL)}
