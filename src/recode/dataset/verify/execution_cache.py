"""Executions kept on disk, so that verifying again is immediate and a killed run goes on where it was.

What is kept is what a program did, not what the rule says of it: a change of the rule is applied to all entries
without running anything. The key is the content (program, lock, hash seed, what was loaded before, version of the runner), so nothing is ever
out of date.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from recode.records import write_text
from recode.sandbox.environments import Environment, recode_home
from recode.sandbox.execution import Execution, run_program

RUNNER_VERSION = 1
"""Counts the changes of the runner after which the same program may be reported otherwise."""


class CachedRunner:
    """Runs programs as `run_program` does, and remembers."""

    def __init__(self, home: Path | None = None, *, fresh: bool = False, reviewed: bool = True) -> None:
        """With `fresh`, what is remembered is not read, only replaced; programs not `reviewed` never run without isolation."""
        self._folder = (home or recode_home()) / "executions"
        self._fresh, self._reviewed = fresh, reviewed

    def __call__(
        self, environment: Environment, code: str, hash_seed: int = 0, preload: tuple[str, ...] = ()
    ) -> Execution:
        """Return what the program does in the environment, after the modules of `preload` were loaded."""
        content = f"{RUNNER_VERSION}\n{environment.digest}\n{hash_seed}\n{' '.join(preload)}\n{code}"
        key = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        path = self._folder / key[:2] / f"{key}.json"
        if not self._fresh and (kept := self._read(path)) is not None:
            return kept
        execution = run_program(environment, code, hash_seed=hash_seed, reviewed=self._reviewed, preload=preload)
        # Time-outs and crashes may be the machine's doing: the next run tries again.
        if execution.outcome in ("finished", "raised"):
            write_text(path, execution.model_dump_json())
        return execution

    @staticmethod
    def _read(path: Path) -> Execution | None:
        try:
            return Execution.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            return None
