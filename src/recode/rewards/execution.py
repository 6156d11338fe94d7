"""The execution term: does the answer run without deprecations on the new release and print what the old program printed on the old one?

The answer runs in the sandbox and has no access to the expected output. It could still print that output without doing the task. An answer
therefore scores 0 if it contains a literal value of the expected output that neither the old code nor the gold program contains, or
literals for all values of an output line that those two do not contain.

If the update shows only as a warning, the old code prints the right output. So every deprecation counts, however the code that caused it
was run, unless the gold program triggers it too (then the library itself is the cause). Deprecations are reported as soon as they are
issued, over a channel from which the program cannot take them back, and whatever it does to the `warnings` module. Ways around the
recorder (text run as code, other processes, frames, assembled names) score 0 unless the gold program uses the same.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from recode.errors import RecipeError, SandboxError
from recode.machine import cores, overloaded
from recode.rewards.answer import answer, program, text_of
from recode.rewards.spelled import refused, spells_out
from recode.sandbox.environments import Environment, ensure_environment, read_locks
from recode.sandbox.execution import Execution, Servers, run_program
from recode.sandbox.fork_servers import Limits
from recode.sandbox.levels import best_level
from recode.shipped import shipped

LIMITS = Limits(seconds=20.0, memory=2 << 30, processes=32)
_PATIENCE = 4.0


def score(
    completion: str,
    target: str,
    old_code: str | None,
    stdout: str | None,
    environment: Environment | None,
    module: str = "",
    servers: Servers | None = None,
) -> float | None:
    """Return 1 for a correct answer, 0 for any other.

    Args:
        completion: the model's text after `<think>`.
        target: the gold program.
        old_code: the program before the update.
        stdout: the output of the old program on the old release.
        environment: the environment of the new release.
        module: the library's module, imported once for many programs.
        servers: the caller's fork servers, for grading many answers.

    Returns:
        None if the answer cannot be graded: there is no environment or no expected output (made-up entries), the gold does not parse,
        or the sandbox failed.
    """
    if program(target) is None or stdout is None or environment is None:
        return None
    out, known = answer(completion), (target, old_code or "")
    if out is None or spells_out(out.text, stdout, known) or refused(out.text, known):
        return 0.0
    try:
        with _given(servers) as own:
            done = run_answer(environment, out.text, module, own)
            if done.outcome != "finished" or done.stdout != stdout:
                return 0.0
            if not (_deprecations(done) or done.events):
                return 1.0
            # Deprecations and events of the gold program are allowed in an answer.
            gold = run_answer(environment, target, module, own)
    except SandboxError:
        return None
    return float(_deprecations(done) <= _deprecations(gold) and set(done.events) <= set(gold.events))


@contextlib.contextmanager
def _given(servers: Servers | None) -> Iterator[Servers]:
    """Yield the given servers, or new ones that are closed after the block."""
    if servers is not None:
        yield servers
        return
    with Servers() as own:
        yield own


def run_answer(environment: Environment, code: str, module: str, servers: Servers) -> Execution:
    """Run a program under the limits of the reward, with its warnings and events reported.

    If it times out on an overloaded machine, it runs once more with four times the time.

    Raises:
        SandboxError: the sandbox failed.
    """
    preload = (module,) if module else ()
    done = run_program(environment, code, limits=LIMITS, preload=preload, watched=True, servers=servers)
    if done.outcome == "timeout" and overloaded():
        patient = replace(LIMITS, seconds=_PATIENCE * LIMITS.seconds)
        return run_program(environment, code, limits=patient, preload=preload, watched=True, servers=servers)
    return done


def _deprecations(done: Execution) -> set[tuple[str, str]]:
    """Return the deprecations of a run, with the numbers in their messages masked.

    Deprecations attributed to a library count too, because the program may have passed it the old function to call.
    """
    return {
        (warning.category, _NUMBER.sub("0", warning.message)) for warning in done.warnings if warning.is_deprecation
    }


_NUMBER = re.compile(r"(0x)?[0-9a-f]*[0-9][0-9a-f]*")


def trl_reward(locks: str | Path = "data/locks") -> Callable[..., list[float | None]]:
    """Return a reward function for TRL's trainers, `execution` in their logs.

    It takes the columns `completions`, `target`, `old_code`, `stdout`, `lock` (digest of the new release's lock) and `module`, with one item
    per completion, and returns one score per completion, None if ungradable. Programs run concurrently, one per core.

    Raises:
        RecipeError: the folder of locks does not exist, so every answer would be ungradable.
        SandboxError: this machine supports no isolation, so no answer could be run.
    """
    best_level()
    folder = shipped(str(locks))
    if not folder.is_dir():
        raise RecipeError(f"{locks}: the execution reward needs the locks of the releases; run where data/locks is")

    servers, pool = Servers(), ThreadPoolExecutor(cores(), thread_name_prefix="execution")

    def reward(
        completions: Sequence[Any] = (), target: Sequence[str] = (), old_code: Sequence[str | None] = (),
        stdout: Sequence[str | None] = (), lock: Sequence[str | None] = (), module: Sequence[str] = (), **columns: object,
    ) -> list[float | None]:  # fmt: skip
        texts = [text_of(completion) for completion in completions]
        environments = [environment_of(digest, folder) for digest in lock]
        graded = functools.partial(score, servers=servers)
        return list(pool.map(graded, texts, target, old_code, stdout, environments, module))

    reward.__name__ = reward.__qualname__ = "execution"
    return reward


@functools.cache
def environment_of(digest: str | None, locks: Path) -> Environment | None:
    """Return the environment of the lock with this digest; None if no lock has it."""
    for lock in read_locks(locks):
        if lock.digest == digest:
            return ensure_environment(lock)
    return None
