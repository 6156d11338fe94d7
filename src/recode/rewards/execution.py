"""The execution term: does the answer run clean on the new release and print what the old program printed on the old one?

The answer runs in the sandbox and is never told what it should print. It still may print it without doing the task, so an answer that spells
out a value of the expected output which neither the old code nor the gold program spells out scores 0; so does one that spells out all values
of a line of it which these two do not. Where the update shows by a warning, an answer could silence it and leave the code as it was: one that
names anything to do with warnings which these two do not name scores 0.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from recode.errors import RecipeError, SandboxError
from recode.machine import cores, overloaded
from recode.rewards.answer import answer, program, text_of
from recode.sandbox.environments import Environment, ensure_environment, read_locks
from recode.sandbox.execution import Execution, run_program
from recode.sandbox.levels import best_level
from recode.sandbox.zygotes import Limits
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
) -> float | None:
    """Return 1 for an answer that does what it should, 0 for any other.

    Args:
        completion: what the model wrote after `<think>`.
        target: the gold program.
        old_code: the program before the update.
        stdout: what the old program printed on the old release.
        environment: the new release.
        module: the library's module, loaded once for many programs.

    Returns:
        None where it cannot be graded: there is no environment (made-up entries), the gold does not parse, or the sandbox failed.
    """
    if program(target) is None or stdout is None or environment is None:
        return None
    out, known = answer(completion), (target, old_code or "")
    if out is None:
        return 0.0
    code = out.text
    if spells_out(code, stdout, known) or hushes(code, known):
        return 0.0
    try:
        done = _run(environment, code, module)
    except SandboxError:
        return None
    return 1.0 if clean(done) and done.stdout == stdout else 0.0


def _run(environment: Environment, code: str, module: str) -> Execution:
    """Run a program, once more with more time where the machine was too busy for the first time to say anything."""
    preload = (module,) if module else ()
    done = run_program(environment, code, limits=LIMITS, reviewed=False, preload=preload)
    if done.outcome == "timeout" and overloaded():
        patient = replace(LIMITS, seconds=_PATIENCE * LIMITS.seconds)
        return run_program(environment, code, limits=patient, reviewed=False, preload=preload)
    return done


def clean(done: Execution) -> bool:
    """Say whether a program ran to its end and was warned of no deprecation of its own making."""
    return done.outcome == "finished" and not any(one.is_deprecation and one.file_is_program for one in done.warnings)


def spells_out(code: str, stdout: str, known: Sequence[str]) -> bool:
    """Say whether a program holds literals that stand in the expected output, and in none of the known programs.

    That is a word or a line of the output, or every number and quoted text of a line: a list may be written as a tuple.
    """
    said = {*stdout.split(), *map(str.strip, stdout.splitlines())}
    old = {text for other in known for text in _literals(other)}
    new = _literals(code) - old
    if any(
        text in said or any(len(line) > 3 and line in said for line in map(str.strip, text.splitlines()))
        for text in new
    ):
        return True
    return any(values and values <= new for values in (_values(line) - old for line in stdout.splitlines()))


def hushes(code: str, known: Sequence[str]) -> bool:
    """Say whether a program names something to do with warnings that none of the known programs names.

    The recorder of warnings lives in the program's own process, so what such a program is warned of might not be seen.
    """
    return bool(_of_warnings(code) - {name for other in known for name in _of_warnings(other)})


def _of_warnings(code: str) -> set[str]:
    """Return the names and words that a program could reach the `warnings` module by."""
    found: set[str] = set()
    for node in _nodes(code):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.ImportFrom(module=str(name)) | ast.Constant(value=str(name)):
                found.add(name)
    return {name for name in found if _WARNS.search(name)}


_WARNS = re.compile("warn|simplefilter", re.IGNORECASE)


def _nodes(code: str) -> list[ast.AST]:
    try:
        return list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _literals(code: str) -> set[str]:
    found = set()
    for node in _nodes(code):
        if isinstance(node, ast.Constant):
            if type(node.value) in (str, bytes, int, float, complex):
                found.add(str(node.value).strip())
        elif isinstance(node, _DISPLAYS):
            with contextlib.suppress(ValueError, TypeError, RecursionError, MemoryError):
                found.add(str(ast.literal_eval(node)))
    return found - {""}


_DISPLAYS = (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp)
"""What `ast.literal_eval` reads beside constants: what is shown in brackets, signs, and the sums that write complex numbers."""
_VALUE = re.compile(r"""'([^']*)'|"([^"]*)"|((?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w]))""")


def _values(line: str) -> set[str]:
    """Return the numbers and quoted texts of a line of output, written as `_literals` does: NumPy's `1.` is 1.0."""
    found = set()
    for single, double, number in _VALUE.findall(line):
        try:
            found.add(single or double or str(ast.literal_eval(number)))
        except (ValueError, SyntaxError):
            # Such as 007.
            found.add(number)
    return found - {""}


def trl_reward(locks: str | Path = "data/locks") -> Callable[..., list[float | None]]:
    """Return a reward function for TRL's trainers, `execution` in their logs.

    It takes the columns `completions`, `target`, `old_code`, `stdout`, `lock` (digest of the new release's lock) and `module`, one item a
    completion, and returns one score a completion, None where ungradable. Programs run several at a time.

    Raises:
        RecipeError: there is no such folder of locks; without one every answer would be ungradable.
        SandboxError: this machine gives no isolation; no answer could be run.
    """
    best_level()
    folder = shipped(str(locks))
    if not folder.is_dir():
        raise RecipeError(f"{locks}: the execution reward needs the locks of the releases; run where data/locks is")

    def reward(
        completions: Sequence[Any] = (), target: Sequence[str] = (), old_code: Sequence[str | None] = (),
        stdout: Sequence[str | None] = (), lock: Sequence[str | None] = (), module: Sequence[str] = (), **columns: object,
    ) -> list[float | None]:  # fmt: skip
        texts = [text_of(one) for one in completions]
        environments = [environment_of(digest, folder) for digest in lock]
        return list(_pool().map(score, texts, target, old_code, stdout, environments, module))

    reward.__name__ = reward.__qualname__ = "execution"
    return reward


@functools.cache
def environment_of(digest: str | None, locks: Path) -> Environment | None:
    """Return the environment of the lock with this digest; None where no lock has it."""
    for lock in read_locks(locks):
        if lock.digest == digest:
            return ensure_environment(lock)
    return None


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Threads that stay, each with its fork servers."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="execution")
