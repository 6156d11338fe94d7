"""HumanEval and HumanEval+: references and stubs, and EvalPlus's rules of comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recode.errors import RecordError
from recode.evaluate.benchmarks import open_benchmark
from recode.records import write_jsonl

SHARED = Path(__file__).parents[4] / "shared" / "data" / "HumanEval.jsonl.gz"


@pytest.mark.usefixtures("isolated")
@pytest.mark.skipif(not SHARED.exists(), reason="HumanEval's file is not beside the checkout (../shared/data)")
def test_references_score_all_and_a_stub_none() -> None:
    benchmark = open_benchmark("humaneval", str(SHARED))
    assert len(benchmark.items) == 164
    right = benchmark.judge([(item, item.gold.removeprefix(item.given)) for item in benchmark.items], lambda n: None)
    assert [one.outcome for one in right] == ["passed"] * 164
    stubs = benchmark.judge([(item, "    pass\n") for item in benchmark.items], lambda n: None)
    assert {one.outcome for one in stubs} == {"failed"}


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "other.jsonl", [{"task_id": "x"}])
    for name in ("humaneval", "humanevalplus"):
        with pytest.raises(RecordError, match=r"other\.jsonl:1: field `prompt`"):
            open_benchmark(name, str(tmp_path / "other.jsonl"))
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8bno")
    with pytest.raises(RecordError, match=r"broken\.gz: cannot be read"):
        open_benchmark("humaneval", str(tmp_path / "broken.gz"))


def plus(entry: str, body: str, base: list[Any], more: list[Any], atol: float = 0.0) -> dict[str, Any]:
    prompt = f"def {entry}(x):\n    '''.'''\n"
    return {
        "task_id": entry, "prompt": prompt, "entry_point": entry, "canonical_solution": body,
        "base_input": base, "plus_input": more, "atol": atol,
    }  # fmt: skip


@pytest.mark.usefixtures("isolated")
def test_evalplus_rules(tmp_path: Path) -> None:
    rows = [
        plus("third", "    return x / 3\n", [[1]], [[2.0], [0]]),
        plus("up", "    return x + 1\n", [[1]], [[10**20], [-1]]),
        plus("find_zero", "    return -x[0] / x[1]\n", [[[1, 2]]], [[[4, 2]]], 1e-4),
        plus("echo", "    return x\n", [["a"]], [["b" * 700_000], ["c"]]),
    ]
    write_jsonl(tmp_path / "plus.jsonl", rows)
    benchmark = open_benchmark("humanevalplus", str(tmp_path / "plus.jsonl"))
    items = {item.id: item for item in benchmark.items}
    cases = [
        ("third", "    return x * (1 / 3)\n", "passed", 1.0),
        ("third", "    return x / 3 + 1e-5\n", "failed", 0.0),
        ("third", "    return 1 / 3\n", "failed", 1.0),
        ("up", "    return x + 1.0\n", "failed", 1.0),
        ("up", "    return x + 1 if x > 0 else 0\n", "passed", 1.0),
        ("up", "    return x + 1 if x >= 0 else 5\n", "failed", 1.0),
        ("find_zero", "    return -x[0] / x[1] + 1e-6\n", "passed", 1.0),
        ("find_zero", "    return 1.0\n", "failed", 0.0),
        ("echo", "    return x\n", "passed", 1.0),
        ("echo", "    return x if x != 'c' else ''\n", "failed", 1.0),
    ]
    judged = benchmark.judge([(items[name], text) for name, text, *_ in cases], lambda n: None)
    assert [(one.outcome, one.scores["base"]) for one in judged] == [(outcome, base) for _, _, outcome, base in cases]


@pytest.mark.usefixtures("isolated")
def test_a_helper_of_the_prompt_is_the_prompts(tmp_path: Path) -> None:
    prompt = (
        "def poly(xs, x):\n    return sum(c * x**i for i, c in enumerate(xs))\n\ndef root(xs):\n    '''Find one.'''\n"
    )
    row = {
        "task_id": "T/1", "prompt": prompt, "entry_point": "root", "canonical_solution": "    return -xs[0] / xs[1]\n",
        "test": "def check(candidate):\n    assert abs(poly([2, 4], candidate([2, 4]))) < 1e-6\n",
    }  # fmt: skip
    write_jsonl(tmp_path / "one.jsonl", [row])
    benchmark = open_benchmark("humaneval", str(tmp_path / "one.jsonl"))
    item = benchmark.items[0]
    forged = "def poly(xs, x):\n    return 0.0\n\ndef root(xs):\n    return 7\n"
    right, wrong = benchmark.judge([(item, row["canonical_solution"]), (item, forged)], lambda n: None)
    assert (right.outcome, wrong.outcome) == ("passed", "failed")
