from __future__ import annotations

from pathlib import Path

import pytest

from recode.dataset.verify.rule import EnvironmentPair
from recode.migrate.rules.learn.pair_checks import check_pair, is_proven
from recode.sandbox.environments import Environment
from recode.sandbox.execution import Execution, Raised, Warned
from tests.migrate.rules.rule_pairs import pair

PAIR = pair("old()\n", "new()\n")
OLD, NEW = (Environment(Path(name), Path(name), name) for name in ("old", "new"))
PLACES = EnvironmentPair(OLD, NEW, "lib")
GOOD = Execution(outcome="finished", stdout="3\n")
OTHER = Execution(outcome="finished", stdout="4\n")
FAILS = Execution(
    outcome="raised", stdout="", exception=Raised(category="E", message="gone", line=1, missing_module=None)
)
WARNS = Execution(
    outcome="finished", stdout="3\n",
    warnings=(Warned(category="DeprecationWarning", message="soon", file_is_program=True, line=1, is_deprecation=True),),
)  # fmt: skip


class Runs:
    """Gives what a program does in each environment."""

    def __init__(self, before: Execution, after: Execution, broken: Execution) -> None:
        self.outcomes = {("old", "old()\n"): before, ("new", "new()\n"): after, ("new", "old()\n"): broken}

    def __call__(
        self, environment: Environment, code: str, hash_seed: int = 0, preload: tuple[str, ...] = ()
    ) -> Execution:
        return self.outcomes[environment.digest, code]


@pytest.mark.parametrize("broken", [FAILS, OTHER, WARNS])
def test_a_pair_proves_something_if_the_old_program_needs_the_change(broken: Execution) -> None:
    checked = check_pair(PAIR, PLACES, Runs(GOOD, GOOD, broken))
    assert checked.fault == ""
    assert (checked.pair.stdout, checked.pair.locks) == ("3\n", ("old", "new"))


@pytest.mark.parametrize(
    ("runs", "fault"),
    [
        (Runs(GOOD, GOOD, GOOD), "works on the new release as it is"),
        (Runs(FAILS, GOOD, FAILS), "the old program does not work on the old release: E: gone (line 1)"),
        (Runs(GOOD, FAILS, FAILS), "the new program does not work on the new release"),
        (Runs(GOOD, OTHER, FAILS), "print something else"),
        (Runs(GOOD, WARNS, FAILS), "the new program warns on the new release: soon"),
    ],
)
def test_other_pairs_prove_nothing(runs: Runs, fault: str) -> None:
    assert fault in check_pair(PAIR, PLACES, runs).fault


def test_a_pair_that_does_not_parse_proves_nothing() -> None:
    assert "parse" in check_pair(pair("old(\n", "new()\n"), PLACES, Runs(GOOD, GOOD, FAILS)).fault


def test_a_rewriting_has_to_do_in_the_new_release_what_the_old_program_does() -> None:
    assert is_proven(PAIR, "new()\n", PLACES, Runs(GOOD, GOOD, FAILS))
    assert not is_proven(PAIR, "new()\n", PLACES, Runs(GOOD, OTHER, FAILS))
    assert not is_proven(PAIR, "old()\n", PLACES, Runs(GOOD, GOOD, FAILS))
