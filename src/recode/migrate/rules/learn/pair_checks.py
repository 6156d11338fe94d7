"""Whether a pair written for rules proves something: both programs run, print the same, and the old one needs the change.

The data set's rule asks for more, such as a note that concerns the failing line, since models learn from its entries. Here only
what a rewriting does is of interest.
"""

from __future__ import annotations

from dataclasses import dataclass

from recode.dataset.verify.rule import EnvironmentPair, Runner
from recode.records import Migration
from recode.sandbox.execution import Execution
from recode.source import parses

_SHOWN = 160


@dataclass(frozen=True)
class CheckedPair:
    """A pair with what was observed; `fault` is why it proves nothing, empty if it does."""

    pair: Migration
    fault: str = ""


def check_pair(pair: Migration, environments: EnvironmentPair, run: Runner) -> CheckedPair:
    """Run a pair's programs in their releases, and the old one in the new release.

    Raises:
        SandboxError: the runner cannot run programs here.
    """
    if not parses(pair.old_code) or not parses(pair.new_code):
        return CheckedPair(pair, "a program does not parse")
    before = run(environments.old, pair.old_code, 0, environments.silent_old)
    after = run(environments.new, pair.new_code, 0, environments.silent_new)
    if before.outcome != "finished" or not before.stdout.strip():
        return CheckedPair(pair, f"the old program does not work on the old release: {_ended(before)}")
    if fault := _fault(before, after):
        return CheckedPair(pair, fault)
    broken = run(environments.new, pair.old_code, 0, environments.silent_new)
    if broken.outcome == "finished" and broken.stdout == before.stdout and not _warns(broken):
        return CheckedPair(pair, "the old program works on the new release as it is")
    digests = (environments.old.digest, environments.new.digest)
    return CheckedPair(pair.model_copy(update={"stdout": before.stdout, "locks": digests}))


def is_proven(pair: Migration, text: str, environments: EnvironmentPair, run: Runner) -> bool:
    """Say whether a rewriting of a checked pair's old program does on the new release what the old one does on the old release.

    Raises:
        SandboxError: the runner cannot run programs here.
    """
    before = run(environments.old, pair.old_code, 0, environments.silent_old)
    return not _fault(before, run(environments.new, text, 0, environments.silent_new))


def _fault(before: Execution, after: Execution) -> str:
    if after.outcome != "finished":
        return f"the new program does not work on the new release: {_ended(after)}"
    if after.stdout != before.stdout:
        return f"the programs print something else: {before.stdout[:_SHOWN]!a} and {after.stdout[:_SHOWN]!a}"
    if _warns(after):
        return f"the new program warns on the new release: {after.warnings[0].message[:_SHOWN]}"
    return ""


def _warns(run: Execution) -> bool:
    return any(warning.announces_deprecation for warning in run.warnings)


def _ended(run: Execution) -> str:
    raised = run.exception
    return f"{raised.category}: {raised.message[:_SHOWN]} (line {raised.line})" if raised else run.outcome
