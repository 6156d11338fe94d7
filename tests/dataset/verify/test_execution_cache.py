from __future__ import annotations

from pathlib import Path

import pytest

from recode.dataset.verify import execution_cache as cache
from recode.dataset.verify.execution_cache import CachedRunner
from recode.errors import SandboxError
from recode.sandbox.environments import Environment
from recode.sandbox.execution import Execution

HERE = Environment(Path("/nowhere"), Path("/nowhere/bin/python"), "digest")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Programs run; the program's text is the outcome."""
    programs: list[str] = []

    def run(
        environment: Environment, code: str, *, hash_seed: int, reviewed: bool, preload: tuple[str, ...], **_: object
    ) -> Execution:
        assert reviewed == code.startswith("trusted ")
        code = code.removeprefix("trusted ")
        programs.append(f"{environment.digest} {code} {hash_seed} {preload}")
        return Execution.model_validate({"outcome": code, "stdout": "x"})

    monkeypatch.setattr(cache, "run_program", run)
    return programs


def test_what_ran_is_remembered_across_runners(tmp_path: Path, runs: list[str]) -> None:
    first = CachedRunner(tmp_path)(HERE, "finished")
    assert CachedRunner(tmp_path)(HERE, "finished") == first
    assert len(runs) == 1


def test_program_seed_lock_and_what_was_loaded_make_the_key(tmp_path: Path, runs: list[str]) -> None:
    run = CachedRunner(tmp_path)
    run(HERE, "finished"), run(HERE, "finished", 1), run(HERE, "raised")
    run(Environment(HERE.folder, HERE.python, "other"), "finished")
    run(HERE, "finished", preload=("toylib",)), run(HERE, "finished", preload=("toylib",))
    assert len(runs) == 5


@pytest.mark.parametrize("outcome", ["timeout", "crashed"])
def test_what_may_be_the_machines_doing_is_tried_again(tmp_path: Path, runs: list[str], outcome: str) -> None:
    CachedRunner(tmp_path)(HERE, outcome)
    CachedRunner(tmp_path)(HERE, outcome)
    assert len(runs) == 2


def test_fresh_runs_again_and_replaces(tmp_path: Path, runs: list[str]) -> None:
    CachedRunner(tmp_path)(HERE, "finished")
    CachedRunner(tmp_path, fresh=True)(HERE, "finished")
    assert len(runs) == 2


def test_a_broken_file_is_run_again(tmp_path: Path, runs: list[str]) -> None:
    run = CachedRunner(tmp_path)
    run(HERE, "finished")
    for path in (tmp_path / "executions").rglob("*.json"):
        path.write_text("{")
    run(HERE, "finished")
    run(HERE, "finished")
    assert len(runs) == 2


def test_only_trusted_programs_may_run_without_isolation(
    tmp_path: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    CachedRunner(tmp_path, trust=True)(HERE, "trusted finished")

    def none_here() -> None:
        raise SandboxError("no sandbox")

    monkeypatch.setattr(cache, "best_level", none_here)
    CachedRunner(tmp_path, trust=True)(HERE, "trusted raised")
    with pytest.raises(SandboxError, match=r"no sandbox; install bubblewrap .*--trust"):
        CachedRunner(tmp_path)(HERE, "finished")
    assert len(runs) == 2


def test_what_is_kept_needs_no_isolation(tmp_path: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = CachedRunner(tmp_path)(HERE, "finished")
    monkeypatch.setattr(cache, "best_level", None)
    assert CachedRunner(tmp_path)(HERE, "finished") == first
