from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from recode.sandbox.fork_servers import Ended, Limits
from recode.sandbox.serve.commands import CommandRun
from recode.sandbox.serve.protocol import RunCodeRequest, response

MOST = Limits(seconds=60.0, memory=2 << 30, patience=4.0)


def asked(**fields: Any) -> RunCodeRequest:
    return RunCodeRequest.model_validate({"code": "1", "language": "python", **fields})


def answer(status: int, killed: str | None = None, seconds: float = 0.1, waited: float = 0.0) -> tuple[Any, ...]:
    said = response(CommandRun(Ended(status, killed, seconds, waited), b"o", b"e\xff"), Limits(seconds=1.0))
    run = said.run_result
    return (said.status, run.status, run.return_code, run.stderr) if run else (said.status, said.message.split(":")[0])


def test_an_ending_becomes_what_sandbox_fusion_answers() -> None:
    assert answer(0) == ("Success", "Finished", 0, "e\ufffd")
    assert answer(3)[:3] == ("Failed", "Finished", 3)
    assert answer(-11)[:3] == ("Failed", "Finished", -11)
    assert answer(-9, "timeout", 1.01)[:3] == ("Failed", "TimeLimitExceeded", None)
    assert answer(-24)[:3] == ("Failed", "TimeLimitExceeded", None)
    assert answer(-9, "memory")[:3] == ("Failed", "Finished", -9)


def test_a_timeout_counts_only_if_the_program_had_its_time() -> None:
    assert answer(-9, "timeout", 3.0, 2.0)[:2] == ("Failed", "TimeLimitExceeded")
    assert answer(-9, "timeout", 4.0, 3.5) == ("SandboxError", "the machine was too busy")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"language": "cobol"}, "language"),
        ({"run_timeout": 0}, "run_timeout"),
        ({"run_timeout": "inf"}, "run_timeout"),
        ({"files": {"/etc/x": ""}}, "files"),
        ({"files": {"a/../../x": ""}}, "files"),
        ({"files": {"a": "***"}}, "files"),
        ({"fetch_files": [".."]}, "fetch_files"),
        ({"code": None}, "code"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as error:
        asked(**fields)
    assert {one["loc"][0] for one in error.value.errors()} == {place}


def test_limits_are_the_requests_within_the_servers() -> None:
    assert asked(run_timeout=2, memory_limit_MB=64).limits(MOST) == Limits(2.0, 64 << 20, patience=4.0)
    assert asked().limits(MOST).memory == MOST.memory
    assert asked(run_timeout=60, memory_limit_MB=2048).beyond(MOST) is None
    assert "--max-seconds" in (asked(run_timeout=61).beyond(MOST) or "")
    assert "--memory" in (asked(memory_limit_MB=2049).beyond(MOST) or "")
    assert "folder" in (asked(files={"a": base64.b64encode(bytes(40 << 20)).decode()}).beyond(MOST) or "")
