"""What a model reads of a run: bounded, without this machine's paths."""

from __future__ import annotations

from recode.environments.observations import MAX_PRINTED, observation
from recode.sandbox.execution import Execution, Raised


def test_a_long_output_shows_its_end() -> None:
    done = Execution(outcome="finished", stdout="x" * MAX_PRINTED + "the end\n")
    said = observation(done, "", "toylib 2.0")
    assert said.endswith("the end")
    assert len(said) < MAX_PRINTED + 100


def test_paths_of_this_machine_are_left_out() -> None:
    raised = Raised(
        category="ImportError",
        message="cannot import name 'a' from 'toylib' (/home/me/.cache/lib/site-packages/toylib/__init__.py)",
        line=1,
        missing_module=None,
    )
    said = observation(Execution(outcome="raised", stdout="", exception=raised), "from toylib import a\n", "toylib 2.0")
    assert "(toylib/__init__.py)\n  line 1: from toylib import a" in said


def test_ends_without_an_exception_are_named() -> None:
    assert "did not end in time" in observation(Execution(outcome="timeout", stdout=""), "", "toylib 2.0")
    crashed = Execution(outcome="crashed", stdout="", detail="SIGKILL")
    assert "ended early on toylib 2.0: SIGKILL" in observation(crashed, "", "toylib 2.0")
