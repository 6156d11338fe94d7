"""Executions kept on disk, so that verifying again is immediate and a killed run resumes where it stopped.

What is kept is what a program did, not the rule's verdict on it, so a change of the rule is applied to all entries without
running anything. The key is the content (program, lock, hash seed, what was loaded before, version of the runner), so nothing
is ever out of date.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from recode.errors import SandboxError
from recode.records import write_text
from recode.sandbox.environments import Environment, recode_home
from recode.sandbox.execution import Execution, Servers, run_program
from recode.sandbox.levels import best_level

RUNNER_VERSION = 1
"""Counts the changes of the runner after which it may report the same program differently."""


class CachedRunner:
    """Runs programs as `run_program` does, and keeps the results."""

    def __init__(self, home: Path | None = None, *, fresh: bool = False, trust: bool = False) -> None:
        """Make a runner.

        Args:
            home: the folder of kept executions; None: `$RECODE_HOME`.
            fresh: run everything; kept results are not read, only replaced.
            trust: the user trusts the programs (`--trust`): where the machine gives no isolation, they run without it.
        """
        self._folder = (home or recode_home()) / "executions"
        self._fresh, self._trust = fresh, trust
        self._servers = Servers()

    def __call__(
        self, environment: Environment, code: str, hash_seed: int = 0, preload: tuple[str, ...] = ()
    ) -> Execution:
        """Return what the program does in the environment, after the modules of `preload` were loaded.

        Raises:
            SandboxError: this machine gives no isolation and the programs are not trusted, or the sandbox fails.
        """
        content = f"{RUNNER_VERSION}\n{environment.digest}\n{hash_seed}\n{' '.join(preload)}\n{code}"
        key = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        path = self._folder / key[:2] / f"{key}.json"
        if not self._fresh and (kept := self._read(path)) is not None:
            return kept
        if not self._trust:
            require_isolation()
        execution = run_program(
            environment, code, hash_seed=hash_seed, reviewed=self._trust, preload=preload, servers=self._servers
        )
        # A time-out or a crash may be the machine's doing, so the next run tries again.
        if execution.outcome in ("finished", "raised"):
            write_text(path, execution.model_dump_json())
        return execution

    @staticmethod
    def _read(path: Path) -> Execution | None:
        try:
            return Execution.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            return None


def require_isolation() -> None:
    """Check that this machine can isolate programs.

    Raises:
        SandboxError: it cannot; says what to install, and that `--trust` does without.
    """
    try:
        best_level()
    except SandboxError as error:
        raise SandboxError(
            f"{error}; install bubblewrap (Debian, Ubuntu: apt install bubblewrap), or pass --trust to run these programs with "
            "your own rights"
        ) from None
