"""Every clause of the rule: a bad entry it rejects, and good ones that all clauses admit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from recode.dataset.verify.execution_cache import CachedRunner
from recode.dataset.verify.rule import Admission, EnvironmentPair, verify
from recode.records import Migration
from recode.sandbox.environments import Environment
from recode.sandbox.execution import Execution

MakeEntry = Callable[..., Migration]
DATA = "import toylib\n\nvalues = [1.5, 2.0, 4.0]\n"


def programs(old: str, new: str, before: str = DATA) -> dict[str, str]:
    return {"old_code": f"{before}{old}\n", "new_code": f"{before}{new}\n"}


PARAMETER = {
    "kind": "parameter_renamed",
    "old_symbol": "toylib.total(scale)",
    "new_symbol": "toylib.total(factor)",
    **programs("print(toylib.total(values, scale=3))", "print(toylib.total(values, factor=3))"),
}
WARNS = {
    "kind": "deprecated",
    "old_symbol": "toylib.mean",
    "new_symbol": "toylib.average",
    **programs("print(toylib.mean(values))", "print(toylib.average(values))"),
}
SILENT = {
    "kind": "return_changed",
    "old_symbol": "toylib.spread",
    "new_symbol": "toylib.spread",
    **programs("print(toylib.spread(values))", "low, high = toylib.spread(values)\nprint(high - low)"),
}
REMOVED = {
    "kind": "removed",
    "new_symbol": "",
    **programs("print(toylib.area(values))", "print(sum(values) * 2.0)"),
}
RAISES_WITHIN = {
    "kind": "removed",
    "old_symbol": "toylib.slow",
    "new_symbol": "",
    **programs("print(toylib.slow(values))", "print(sum(values))"),
}


@pytest.mark.parametrize(
    ("changes", "outcome", "line"),
    [
        ({}, "raises", 4),
        (PARAMETER, "raises", 4),
        (WARNS, "warns", 4),
        (SILENT, "prints_differently", None),
        (REMOVED, "raises", 4),
        (RAISES_WITHIN, "raises", 4),
    ],
    ids=["renamed", "parameter", "warns", "silent", "removed", "raises within the library"],
)
def test_good_entries_hold(
    make_entry: MakeEntry, toy_pair: EnvironmentPair, changes: dict[str, Any], outcome: str, line: int | None
) -> None:
    verdict = check(make_entry(**changes), toy_pair)
    assert verdict.failures == ()
    assert verdict.stdout is not None
    assert verdict.old_on_new is not None
    assert (verdict.old_on_new.outcome, verdict.old_on_new.line) == (outcome, line)


WORDS = "words = {'ant', 'bee', 'cat', 'dog', 'eel', 'fox'}\n"
BAD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "syntax": ("parses", "new_code", {"new_code": "print(\n"}),
    "many lines": (
        "edit_is_small",
        "at most 8",
        programs("print(toylib.area(values))", "\n".join(f"x{i} = toylib.surface([{i}.0])" for i in range(9))),
    ),
    "another program": (
        "edit_is_small",
        "similarity",
        {"new_code": "from toylib import surface as s\nfor a, b in zip([3], 'x'):\n    print(a, b, s([a]))\n"},
    ),
    "old symbol nowhere": (
        "old_uses_old_symbol",
        "`area`",
        programs("print(sum(values))", "print(toylib.surface(values))"),
    ),
    "old symbol only in a comment": (
        "old_uses_old_symbol",
        "`area`",
        programs("print(sum(values))  # area", "print(toylib.surface(values))"),
    ),
    "another function's parameter": (
        "old_uses_old_symbol",
        "`scale`",
        {**PARAMETER, **programs("print(toylib.total(values, 3))", "print(toylib.total(values, factor=3))")},
    ),
    "not migrated": (
        "new_follows",
        "still uses `area`",
        programs("print(toylib.area(values))", "print(toylib.area( values ))"),
    ),
    "parameter kept": ("new_follows", "not `factor`", {**PARAMETER, "new_code": PARAMETER["old_code"]}),
    "old fails on old": (
        "old_runs_on_old",
        "AttributeError",
        programs("toylib.area(values)\nprint(toylib.surface(values))", "print(toylib.surface(values))"),
    ),
    "prints nothing": ("old_prints", "prints nothing", programs("toylib.area(values)", "toylib.surface(values)")),
    "depends on the hash seed": (
        "old_is_deterministic",
        "hash seed",
        programs("print(list(words), toylib.area(values))", "print(list(words), toylib.surface(values))", DATA + WORDS),
    ),
    "new fails on new": (
        "new_runs_on_new",
        "TypeError",
        programs("print(toylib.area(values))", "print(toylib.surface(values, 1))"),
    ),
    "new warns": (
        "new_warns_of_nothing",
        "something else",
        programs("print(toylib.area(values[:1]))", "print(toylib.surface([toylib.first(values)]))"),
    ),
    "new warns elsewhere": (
        "new_warns_of_nothing",
        "deep",
        programs("print(toylib.area(values))", "toylib.deep(values)\nprint(toylib.surface(values))"),
    ),
    "other output": (
        "same_output",
        "`15.0`",
        programs("print(toylib.area(values))", "print(toylib.surface(values) + 1)"),
    ),
    "still works": (
        "old_breaks_on_new",
        "neither raises nor warns",
        {
            "old_symbol": "toylib.keep",
            **programs("print(toylib.keep(values))", "print(list(values))"),
            "new_symbol": "",
        },
    ),
    "breaks for another reason": (
        "old_breaks_on_new",
        "names `area`",
        programs(
            "size = toylib.total(values, scale=1)\nprint(toylib.area(values), size)",
            "size = sum(values)\nprint(toylib.surface(values), size)",
        ),
    ),
    "warns of something else": (
        "old_breaks_on_new",
        "not of `keep`",
        {
            "old_symbol": "toylib.keep",
            "new_symbol": "",
            **programs("one = toylib.first(values)\nprint(toylib.keep(values))", "print(list(values))"),
        },
    ),
    "warns at no line of its own": (
        "old_breaks_on_new",
        "not at a line of its own",
        {
            "old_symbol": "toylib.deep",
            "new_symbol": "",
            **programs("print(toylib.deep(values))", "print(sum(values))"),
        },
    ),
    "missing dependency": (
        "old_breaks_on_new",
        "dependency is missing",
        {
            "old_symbol": "toylib.load",
            "new_symbol": "",
            **programs("print(toylib.load(values))", "print(sum(values))"),
        },
    ),
    "silent change of another kind": (
        "old_breaks_on_new",
        "neither raises nor warns",
        {**SILENT, "kind": "replaced"},
    ),
    "hard-coded print": (
        "output_depends_on_call",
        "left the output",
        programs("toylib.area(values)\nprint('15.0')", "toylib.surface(values)\nprint('15.0')"),
    ),
    "no input": (
        "output_depends_on_call",
        "no literal feeds",
        programs("toylib.area([])\nprint('empty')", "toylib.surface([])\nprint('empty')", "import toylib\n"),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_entries_fail_by_their_clause(make_entry: MakeEntry, toy_pair: EnvironmentPair, case: str) -> None:
    clause, reason, changes = BAD[case]
    verdict = check(make_entry(**changes), toy_pair)
    reasons = {failure.clause: failure.reason for failure in verdict.failures}
    assert clause in reasons, verdict.failures
    assert reason in reasons[clause]


def test_a_message_that_names_an_older_release_of_the_library_is_no_missing_dependency(
    make_entry: MakeEntry, toy_pair: EnvironmentPair
) -> None:
    gone = "if not hasattr(toylib, 'area'):\n    raise AttributeError('area is gone: pip install toylib==1.0')\n"
    old = gone + "print(toylib.area(values))"
    more = "".join(f"number_{count} = {count} + {count}\n" for count in range(12))
    entry = make_entry(**programs(old, "print(toylib.surface(values))", DATA + more))
    assert check(entry, toy_pair).failures == ()


def test_a_timeout_is_a_failure_and_not_an_exception(make_entry: MakeEntry, toy_pair: EnvironmentPair) -> None:
    verdict = verify(make_entry(), toy_pair, lambda *_: Execution(outcome="timeout", stdout=""))
    assert [failure.clause for failure in verdict.failures] == [
        "old_runs_on_old",
        "new_runs_on_new",
        "old_breaks_on_new",
    ]


def test_programs_run_twice_with_different_hash_seeds(make_entry: MakeEntry, toy_pair: EnvironmentPair) -> None:
    runs: list[tuple[str, int]] = []

    def run(environment: Environment, code: str, hash_seed: int = 0, preload: tuple[str, ...] = ()) -> Execution:
        runs.append((environment.digest, hash_seed))
        return Execution(outcome="finished", stdout="x")

    verify(make_entry(), toy_pair, run)
    assert {seed for digest, seed in runs if digest == toy_pair.old.digest} == {0, 1}


def test_only_what_is_compared_with_another_run_is_run_with_modules_loaded(
    make_entry: MakeEntry, toy_pair: EnvironmentPair
) -> None:
    pair = replace(toy_pair, silent_old=("toylib",), silent_new=("toylib",), modules=("toylib", "toylib.more"))
    entry, cached = make_entry(), CachedRunner(fresh=True)
    loaded: dict[tuple[str, str, int], tuple[str, ...]] = {}

    def run(environment: Environment, code: str, hash_seed: int = 0, preload: tuple[str, ...] = ()) -> Execution:
        loaded[environment.digest, code, hash_seed] = preload
        return cached(environment, code, hash_seed, preload)

    assert verify(entry, pair, run).holds
    old, new = pair.old.digest, pair.new.digest
    for environment, code in ((old, entry.old_code), (new, entry.old_code), (new, entry.new_code)):
        assert loaded.pop((environment, code, 0)) == ("toylib",)
    assert len(loaded) >= 2
    assert set(loaded.values()) == {pair.modules}


def test_a_difference_that_comes_of_modules_loaded_before_does_not_count(
    make_entry: MakeEntry, toy_pair: EnvironmentPair
) -> None:
    told = "import sys\nprint('zipfile' in sys.modules)\n"
    programs = {"old_code": told + make_entry().old_code, "new_code": told + make_entry().new_code}
    pair = replace(toy_pair, modules=("zipfile",))
    assert check(make_entry(**programs), pair).failures == ()


def test_an_output_that_comes_of_modules_loaded_before_depends_on_no_call(
    make_entry: MakeEntry, toy_pair: EnvironmentPair
) -> None:
    pair = replace(toy_pair, modules=("zipfile",))

    def run(environment: Environment, code: str, hash_seed: int = 0, preload: tuple[str, ...] = ()) -> Execution:
        if environment == pair.new and code == make_entry().old_code:
            return check_runner(environment, code, hash_seed, preload)
        return Execution(outcome="finished", stdout=f"{preload}\n")

    check_runner = CachedRunner(fresh=True)
    assert [failure.clause for failure in verify(make_entry(), pair, run).failures] == ["output_depends_on_call"]


def test_an_import_that_a_program_forgot_is_missed(make_entry: MakeEntry, toy_pair: EnvironmentPair) -> None:
    forgot = {"old_code": "import xml\nxml.dom.minidom\n" + make_entry().old_code}
    verdict = check(make_entry(**forgot), replace(toy_pair, modules=("xml.dom.minidom",)))
    assert "old_runs_on_old" in [one.clause for one in verdict.failures]


def test_a_number_too_long_for_decimal_fails_and_stops_nothing(
    make_entry: MakeEntry, toy_pair: EnvironmentPair
) -> None:
    long = f"big = 0x{'f' * 4000}\n"
    programs = {"old_code": long + make_entry().old_code, "new_code": long + make_entry().new_code}
    assert [one.clause for one in check(make_entry(**programs), toy_pair).failures] == ["parses"]


NO_OP_CODE = "import toylib\n\nprint(toylib.average([1.0, 2.0]))\n"


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        (NO_OP_CODE, NO_OP_CODE, None),
        (NO_OP_CODE, NO_OP_CODE + "print(1)\n", "unchanged"),
        ("import toylib\nprint(toylib.surface([1.0]))\n", None, "note_does_not_concern_code"),
        ("area = 3\nprint(area)\n", None, "note_does_not_concern_code"),
        ("import toylib\nprint(toylib.mean([1.0]))\n", None, "new_warns_of_nothing"),
        ("import toylib\nprint(toylib.nothing)\n", None, "new_runs_on_new"),
        ("print({'a', 'b', 'c', 'd', 'e', 'f'})\n", None, "old_is_deterministic"),
    ],
)
def test_no_op_entries(
    make_entry: MakeEntry, toy_pair: EnvironmentPair, old: str, new: str | None, clause: str | None
) -> None:
    verdict = check(make_entry(kind="no_op", old_code=old, new_code=old if new is None else new), toy_pair)
    assert [failure.clause for failure in verdict.failures][:1] == ([clause] if clause else [])


def check(entry: Migration, pair: EnvironmentPair) -> Admission:
    return verify(entry, pair, CachedRunner())
