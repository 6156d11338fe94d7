"""Requests and answers in the format of Sandbox Fusion's `run_code`, as its own clients and verl's send and read them."""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recode.sandbox.fork_servers import Limits, kill_signal
from recode.sandbox.serve.commands import CommandRun

PYTHON = "python"
LANGUAGES = frozenset(
    "python cpp nodejs go go_test java php csharp bash typescript sql rust cuda lua R perl D_ut ruby scala julia pytest junit kotlin_script "
    "jest verilog python_gpu lean swift racket".split()
)
"""The languages that Sandbox Fusion knows. Of these we run Python."""


class RunCodeRequest(BaseModel):
    """A program to run, with its input. Times are in seconds; `compile_timeout` is for compiled languages and has no effect."""

    model_config = ConfigDict(extra="ignore")

    code: str
    language: str
    stdin: str | None = None
    compile_timeout: float = 10.0
    run_timeout: float = Field(10.0, gt=0, allow_inf_nan=False)
    memory_limit_MB: int = -1  # noqa: N815 (the format's name)
    files: dict[str, str | None] = Field(default_factory=dict)
    """Files beside the program, in base64, by their path."""
    fetch_files: list[str] = Field(default_factory=list)
    args: list[str] = Field(default_factory=list)

    @field_validator("language")
    @classmethod
    def _known(cls, language: str) -> str:
        if language not in LANGUAGES:
            raise ValueError(f"unknown language `{language}`")
        return language

    @field_validator("files")
    @classmethod
    def _readable(cls, files: dict[str, str | None]) -> dict[str, str | None]:
        for name, content in files.items():
            _inside(name)
            try:
                base64.b64decode(content or "", validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"the content of `{name}` is not base64") from None
        return files

    @field_validator("fetch_files")
    @classmethod
    def _within(cls, names: list[str]) -> list[str]:
        for name in names:
            _inside(name)
        return names

    def contents(self) -> dict[str, bytes]:
        """Return the files in bytes; one without content is left out."""
        return {name: base64.b64decode(content) for name, content in self.files.items() if content is not None}

    def limits(self, most: Limits) -> Limits:
        """Return the program's limits, given the most that a program may have."""
        memory = self.memory_limit_MB << 20 if self.memory_limit_MB > 0 else most.memory
        return Limits(self.run_timeout, memory, most.processes, most.files, most.output, most.patience)

    def beyond(self, most: Limits) -> str | None:
        """Return what the request asks for beyond the most that a program may have, as a message; None if nothing."""
        if self.run_timeout > most.seconds:
            return f"run_timeout: {self.run_timeout:g} s is more than the {most.seconds:g} s that this server allows (--max-seconds)"
        if self.memory_limit_MB << 20 > most.memory:
            return f"memory_limit_MB: {self.memory_limit_MB} is more than the {most.memory >> 20} that this server allows (--memory)"
        if len(self.code) + sum(len(content or "") for content in self.files.values()) > most.files:
            return f"code and files: more than the {most.files >> 20} MB that a program's folder holds"
        return None


def _inside(name: str) -> None:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\0" in name or len(name) > 1000:
        raise ValueError(f"`{name[:100]}` is not a path below the program's folder")


class CommandStatus(StrEnum):
    """How a program ended: by itself, by its time limit, or not at all, for a fault of the sandbox."""

    FINISHED = "Finished"
    ERROR = "Error"
    TIME_LIMIT_EXCEEDED = "TimeLimitExceeded"


class RunStatus(StrEnum):
    """Whether a program ended with exit status 0, otherwise, or could not be run."""

    SUCCESS = "Success"
    FAILED = "Failed"
    SANDBOX_ERROR = "SandboxError"


class CommandResult(BaseModel):
    """How a program ended and what it printed. `execution_time` is wall time in seconds."""

    status: CommandStatus
    execution_time: float | None = None
    return_code: int | None = None
    """None after a timeout; minus the number of the signal that ended it, otherwise its exit status."""
    stdout: str | None = None
    stderr: str | None = None


class RunCodeResponse(BaseModel):
    """The answer to a request. `compile_result` and `executor_pod_name` are always None: Python is not compiled here."""

    status: RunStatus
    message: str = ""
    compile_result: CommandResult | None = None
    run_result: CommandResult | None = None
    executor_pod_name: str | None = None
    files: dict[str, str] = Field(default_factory=dict)


def ungradable(reason: str) -> RunCodeResponse:
    """Return the answer for a program of which nothing is known: no client takes it for a wrong one."""
    return RunCodeResponse(status=RunStatus.SANDBOX_ERROR, message=reason)


_HAD = 0.9
"""The share of its time that a program must have had, rather than have waited for a core, before its timeout counts."""
_KILLED = {
    "memory": "killed: the program and its children used more memory than allowed",
    "processes": "killed: the program started more processes than allowed",
}


def response(run: CommandRun, limits: Limits) -> RunCodeResponse:
    """Return the answer for a program that ran."""
    ended = run.ended
    if ended.killed == "timeout" and ended.seconds - ended.waited < _HAD * limits.seconds:
        return ungradable(
            f"the machine was too busy: the program waited {ended.waited:.1f} of {ended.seconds:.1f} s for a core"
        )
    out_of_time = ended.killed == "timeout" or kill_signal(ended.status) == "SIGXCPU"
    result = CommandResult(
        status=CommandStatus.TIME_LIMIT_EXCEEDED if out_of_time else CommandStatus.FINISHED,
        execution_time=ended.seconds,
        return_code=None if out_of_time else ended.status,
        stdout=run.stdout.decode("utf-8", "replace"),
        stderr=run.stderr.decode("utf-8", "replace"),
    )
    return RunCodeResponse(
        status=RunStatus.SUCCESS if result.return_code == 0 else RunStatus.FAILED,
        message=_KILLED.get(ended.killed or "", ""),
        run_result=result,
        files={name: base64.b64encode(data).decode() for name, data in run.files.items()},
    )
