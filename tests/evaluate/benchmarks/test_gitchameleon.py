"""GitChameleon: the checkout's layout, environments by its pins, and items that this Python cannot have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recode.errors import RecordError
from recode.evaluate.benchmarks import gitchameleon, open_benchmark
from recode.evaluate.benchmarks.gitchameleon import (
    Availability,
    AvailabilityCheck,
    GitChameleon,
    _cached_checks,
    _third_party,
    read_problems,
)
from recode.evaluate.progress import ignore_progress
from recode.records import write_jsonl, write_text
from recode.sandbox.environments import Environment

SHARED = Path(__file__).parents[4] / "shared" / "data" / "gitchameleon"
START = "import toylib\n\ndef total_area(values):\n    return "
GOLD = "import toylib\n\ndef total_area(values):\n    return toylib.surface(values)\n"
TEST = "from sample_7 import total_area\n\n\ndef test_it():\n    assert total_area([1, 2]) == 6.0\n"


def checkout(folder: Path, **change: object) -> Path:
    row = {
        "example_id": "7",
        "library": "toylib",
        "version": "2.0",
        "problem": "Sum it.",
        "starting_code": START,
        "type_of_change": "name change",
    }
    write_jsonl(
        folder / "dataset" / "dataset.jsonl",
        [{**row, **change}, {**row, "example_id": "8", "version": "9.0", **change}],
    )
    write_jsonl(
        folder / "dataset" / "ground_truth_solutions.jsonl",
        [{"example_id": name, "answer": GOLD} for name in ("7", "8")],
    )
    for name in ("7", "8"):
        write_text(
            folder / "dataset" / "hidden_tests" / f"test_sample_{name}.py", TEST.replace("sample_7", f"sample_{name}")
        )
    return folder


@pytest.mark.usefixtures("isolated")
def test_items_are_available_where_their_pins_and_solutions_hold(
    toy_new: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The toy index has no pytest: it comes from the running environment, which the toy library is made importable in by its path.
    monkeypatch.setattr(GitChameleon, "requirements", lambda self, name: (f"toylib=={self.problems[name].version}",))
    monkeypatch.setattr(
        gitchameleon, "judge_beside", lambda works, limits, advance: [_by_calls(work) for work in works]
    )
    opened = open_benchmark("gitchameleon", str(checkout(tmp_path)))
    opened.prepare(ignore_progress)
    first, second = opened.items
    assert first.unavailable == ""
    assert "its environment cannot be built" in second.unavailable
    assert (first.library, first.kind, first.group) == ("toylib", "name change", "toylib 2.0")
    right, wrong = opened.judge([(first, "toylib.surface(values)"), (first, "toylib.area(values)")], lambda n: None)
    assert (right.outcome, wrong.outcome) == ("passed", "failed")
    # What was found out is not looked at again.
    monkeypatch.setattr(GitChameleon, "_checks", None)
    again = open_benchmark("gitchameleon", str(tmp_path))
    again.prepare(ignore_progress)
    assert [item.unavailable for item in again.items] == ["", second.unavailable]


def test_what_may_pass_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECODE_HOME", str(tmp_path / "home"))
    asked = []

    def checks(self: GitChameleon, names: list[str]) -> list[AvailabilityCheck]:
        asked.append(len(names))
        reason = "its environment cannot be built for Python 3.11: uv could not build the environment (dns error)"
        return [AvailabilityCheck(Availability.BUILD_FAILED, reason)] * len(names)

    monkeypatch.setattr(GitChameleon, "_checks", checks)
    for _ in range(2):
        opened = open_benchmark("gitchameleon", str(checkout(tmp_path)))
        opened.keep(1)
        opened.prepare(ignore_progress)
        assert "dns error" in opened.items[0].unavailable
    assert asked == [1, 1]


def test_a_cache_of_another_format_is_not_believed(tmp_path: Path) -> None:
    cache = tmp_path / "gitchameleon.json"
    check = {"status": "solution fails", "reason": "its own solution fails here: x"}
    write_text(cache, json.dumps({"old": "its own solution fails here: x", "new": check}))
    assert _cached_checks(cache) == {"new": AvailabilityCheck(Availability.SOLUTION_FAILS, check["reason"])}
    for text in ("[]", "{", '{"new": {"status": "unheard of", "reason": ""}}'):
        write_text(cache, text)
        assert _cached_checks(cache) == {}
    assert _cached_checks(tmp_path / "missing.json") == {}


def test_a_check_by_another_harness_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_benchmark("gitchameleon", str(checkout(tmp_path)))
    assert isinstance(opened, GitChameleon)
    key = opened._key(opened.items[0].id)
    monkeypatch.setattr("recode.evaluate.benchmarks.gitchameleon.HARNESS", "another")
    assert opened._key(opened.items[0].id) != key


def _by_calls(work: object) -> object:
    """Judge in the toy environment, where there is no pytest, by calling the tests."""
    from dataclasses import replace

    from recode.evaluate.judging.in_process import Beside, judge_beside
    from recode.sandbox.fork_servers import Limits

    assert isinstance(work, Beside)
    tests = "\n".join(line for line in work.tests.splitlines() if not line.startswith("from sample_"))
    changed = replace(work, runner="calls", tests=tests, preload=())
    return judge_beside([changed], Limits(seconds=30.0, processes=64), lambda n: None)[0]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda root: (root / "dataset.jsonl").write_text(json.dumps({"example_id": 7}) + "\n"),
            r"dataset\.jsonl:1: field `example_id`",
        ),
        (lambda root: (root / "hidden_tests" / "test_sample_7.py").unlink(), r"test_sample_7\.py: is missing"),
        (lambda root: (root / "ground_truth_solutions.jsonl").write_text(""), r"has no line with `example_id` 7"),
        (lambda root: (root / "dataset.jsonl").unlink(), r"no dataset\.jsonl there"),
    ],
)
def test_a_checkout_that_is_not_whole_is_named(spoil: object, says: str, tmp_path: Path) -> None:
    spoil(checkout(tmp_path) / "dataset")  # type: ignore[operator]
    with pytest.raises(RecordError, match=says):
        open_benchmark("gitchameleon", str(tmp_path))


@pytest.mark.skipif(not SHARED.exists(), reason="GitChameleon's checkout is not beside this one (../shared/data)")
def test_the_real_checkout_is_read(tmp_path: Path) -> None:
    problems = list(read_problems(SHARED / "dataset" / "dataset.jsonl"))
    assert len(problems) == 129
    root = SHARED / "dataset"
    tests = {p.example_id: (root / "hidden_tests" / f"test_sample_{p.example_id}.py").read_text() for p in problems}
    golds = {
        row["example_id"]: row["answer"] for row in map(json.loads, (root / "ground_truth_solutions.jsonl").open())
    }
    benchmark = GitChameleon("gitchameleon", problems, tests, golds, tmp_path)
    assert benchmark.requirements("18") == (
        "geopandas==0.10.0",
        "rtree==0.9.3",
        "numpy",
        "pandas",
        "pytest<8.2",
        "setuptools<81",
        "shapely",
    )
    # Every solution, given as a model would reply, is the module that is judged.
    for problem in problems:
        gold = golds[problem.example_id].replace("\r\n", "\n")
        assert gold.strip() in benchmark.program(problem.example_id, f"```python\n{gold}\n```").replace("\r\n", "\n")


def test_imports_of_programs() -> None:
    assert _third_party("import os, numpy as np\nfrom sklearn.svm import SVC\nfrom sample_3 import f") == {
        "numpy",
        "sklearn",
    }
