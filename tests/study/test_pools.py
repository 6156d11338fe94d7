"""Training entries written out: nested choices, and golds that are really broken."""

from __future__ import annotations

import itertools
from pathlib import Path

from recode.invent import generate, generate_no_ops
from recode.prompts import response
from recode.records import Migration, read_records, write_records
from recode.rewards import score
from recode.source import clean
from recode.study.pools import break_gold, hide_code, write_pool
from recode.study.tables import Pool
from recode.train.recipes import TrainingData


def written(pool: Pool, data: TrainingData, folder: Path) -> list[Migration]:
    found = write_pool(pool, data, 1, folder)
    assert found.generated == 0
    assert len(list(read_records(Path(found.no_ops[0]), Migration))) == 2 + 20 // 3
    return list(read_records(Path(found.migrations[0]), Migration))


def test_pools_are_nested_and_broken_shares_too(tmp_path: Path) -> None:
    write_records(tmp_path / "train.jsonl", itertools.islice(generate(8), 20))
    write_records(tmp_path / "no_op.jsonl", itertools.islice(generate_no_ops(8), 2))
    data = TrainingData(
        migrations=(str(tmp_path / "train.jsonl"),), no_ops=(str(tmp_path / "no_op.jsonl"),), generated=20
    )
    everything = written(Pool(), data, tmp_path / "all")
    assert len(everything) == 40
    assert written(Pool(entries=10), data, tmp_path / "ten") == everything[:10]
    right = {entry.id: entry.new_code for entry in everything}
    broken = []
    for share in (0.25, 0.5):
        entries = written(Pool(spoiled=share), data, tmp_path / str(share))
        assert [entry.id for entry in entries] == list(right)
        broken.append({entry.id for entry in entries if entry.new_code != right[entry.id]})
    assert broken[0] < broken[1]
    assert (len(broken[0]), len(broken[1])) == (10, 20)


def test_a_broken_gold_is_the_old_code_or_has_a_wrong_name() -> None:
    copies = 0
    for entry in itertools.islice(generate(4), 200):
        gold = clean(break_gold(entry).new_code)
        assert gold != clean(entry.new_code)
        copies += gold == clean(entry.old_code)
    assert 80 < copies < 160


def test_hidden_code_fools_the_published_reward_alone() -> None:
    for entry in itertools.islice(generate(4), 50):
        answer = response("t", hide_code(entry).new_code)
        assert score(answer, entry.new_code, family="paper")["exact"] == 2.0
        assert score(answer, entry.new_code)["exact"] == -1.5
