from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from recode.sandbox.fork_servers import Interpreter, Limits
from recode.sandbox.levels import best_level
from recode.sandbox.serve import workers as module
from recode.sandbox.serve.protocol import RunCodeRequest
from recode.sandbox.serve.workers import Closing, QueueFull, Workers

SLEEP = "import time\ntime.sleep(0.5)"


def asked(code: str, **fields: Any) -> RunCodeRequest:
    return RunCodeRequest(code=code, language=fields.pop("language", "python"), **fields)


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(Interpreter(), best_level(), Limits(seconds=10.0, patience=4.0), count=1, queue=2)
    workers.start()
    yield workers
    workers.close(finish=False)


def wait_until_running(workers: Workers) -> None:
    while not workers.running:
        time.sleep(0.01)


def test_a_full_queue_refuses_and_says_when_to_come_back(workers: Workers) -> None:
    running = workers.submit(asked(SLEEP))
    wait_until_running(workers)
    waiting = [workers.submit(asked(f"print({n})")) for n in range(2)]
    with pytest.raises(QueueFull) as full:
        workers.submit(asked("print(3)"))
    assert 1 <= full.value.retry_after <= 60
    with pytest.raises(QueueFull):
        workers.has_room()
    accepted = workers.submit(asked("print(4)"), accepted=True)
    assert running.result().status == "Success"
    results = [one.result().run_result for one in (*waiting, accepted)]
    assert [result.stdout for result in results if result] == ["0\n", "1\n", "4\n"]


def test_a_request_that_nobody_waits_for_is_not_run(workers: Workers) -> None:
    workers.submit(asked(SLEEP))
    wait_until_running(workers)
    dropped = workers.submit(asked("while True: pass"))
    assert dropped.cancel()
    assert workers.submit(asked("print(1)")).result(timeout=9).status == "Success"


def test_closing_finishes_what_runs_and_drops_what_waits(workers: Workers) -> None:
    running = workers.submit(asked(SLEEP))
    wait_until_running(workers)
    waiting = workers.submit(asked("print(1)"))
    workers.close(finish=False)
    assert running.result().status == "Success"
    with pytest.raises(CancelledError):
        waiting.result()
    with pytest.raises(Closing):
        workers.submit(asked("print(1)"))


def test_another_language_is_ungradable(workers: Workers) -> None:
    answer = workers.submit(asked("int main() {}", language="cpp")).result()
    assert (answer.status, answer.run_result) == ("SandboxError", None)
    assert "not cpp" in answer.message


def test_a_sandbox_that_fails_is_restarted_and_never_a_verdict(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = module.run_command, []

    def failing(server: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(server)
        if len(calls) < 3:
            server.ensure_started()
            server._process.kill()
        return real(server, *args, **kwargs)

    monkeypatch.setattr(module, "run_command", failing)
    assert workers.submit(asked("print(1)")).result().status == "Success"
    assert len(calls) == 3

    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("unforeseen")

    monkeypatch.setattr(module, "run_command", broken)
    answer = workers.submit(asked("print(1)")).result()
    assert (answer.status, answer.message) == ("SandboxError", "the sandbox failed: ValueError: unforeseen")
    monkeypatch.setattr(module, "run_command", real)
    assert workers.submit(asked("print(1)")).result().status == "Success"
