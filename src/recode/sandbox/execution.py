"""The seam for running a program: everything that runs one goes through `run_program`.

**Isolation: `unsafe`.** The program runs as the calling user in a plain subprocess. It has its own folder and home, a
cleared environment, resource limits, and is killed with its process group on time-out. It is *not* kept from reading
the user's files, from the network, from leaving its process group, or from forging its report. This is fit for the
hand-written, reviewed programs of the data set and for nothing else: never run a model's output by it. An isolated
executor can take the place of this one function.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from recode.records import Record
from recode.sandbox.environments import Environment

ISOLATION: Literal["unsafe"] = "unsafe"
"""How well `run_program` isolates; to be named in every result."""

SECONDS = 180.0
"""Wall time; generous, because a busy machine must not turn honest programs into time-outs."""
CPU_SECONDS = 60
MEMORY_BYTES = 4 << 30
"""Address space; libraries with thread pools reserve far more than they use."""
OUTPUT_BYTES = 1 << 20

_RUNNER = Path(__file__).with_name("_runner.py")


class Raised(Record):
    """An exception that ended a program. `line` is the program's own line, 1-based; None where no frame of it was
    involved.
    """

    category: str
    message: str
    line: int | None
    missing_module: str | None


class Warned(Record):
    """A warning. `file_is_program` says whether it is attributed to the program itself, and `line` to which line
    (1-based).
    """

    category: str
    message: str
    file_is_program: bool
    line: int | None
    is_deprecation: bool


class Execution(Record):
    """What a program did.

    `outcome`: it `finished` (also by `sys.exit(0)`), `raised`, ran into the `timeout` (of wall or CPU time), or
    `crashed`: ended without a report, by a signal or for printing too much; `detail` then says how.
    """

    outcome: Literal["finished", "raised", "timeout", "crashed"]
    stdout: str
    exception: Raised | None = None
    warnings: tuple[Warned, ...] = ()
    detail: str = ""


def run_program(environment: Environment, code: str, *, hash_seed: int = 0, seconds: float = SECONDS) -> Execution:
    """Run a trusted program in a fresh process of a pinned environment (isolation: `unsafe`, see the module).

    Args:
        environment: where it runs.
        code: the program.
        hash_seed: the seed of string hashes, 0 to 4294967295; a program whose output depends on it is not
            deterministic.
        seconds: wall time after which the program and its children are killed.

    Returns:
        what it did; `stdout` has at most `OUTPUT_BYTES` bytes. What a program does is never raised as an exception.
    """
    with tempfile.TemporaryDirectory(prefix="recode-run-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        program, home = folder / "program.py", folder / "home"
        program.write_text(code, encoding="utf-8", errors="surrogatepass")
        home.mkdir()
        # Files rather than pipes: nobody has to read while the program runs, and a file's size can be limited.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as report:
            status = _run(environment, program, home, hash_seed, seconds, (out, err, report))
            return _read(status, out, err, report)


def _run(
    environment: Environment,
    program: Path,
    home: Path,
    hash_seed: int,
    seconds: float,
    files: tuple[IO[bytes], IO[bytes], IO[bytes]],
) -> int | None:
    """Run the program with stdout, stderr and report going to `files`; return its exit status, None on time-out."""
    out, err, report = files
    limits = (min(CPU_SECONDS, math.ceil(seconds) + 1), MEMORY_BYTES, OUTPUT_BYTES)
    # As `-I`, except that the (cleared) environment is read: `-I` would ignore the hash seed.
    command = [environment.python, "-s", "-P", "-B", _RUNNER, program, report.fileno(), *limits]
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        pass_fds=(report.fileno(),),
        cwd=home,
        env=_variables(home, hash_seed),
        start_new_session=True,
    )
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _variables(home: Path, hash_seed: int) -> dict[str, str]:
    one_thread = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "POLARS_MAX_THREADS",
    )
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": str(hash_seed),
        **dict.fromkeys(one_thread, "1"),
    }


def _read(status: int | None, out: IO[bytes], err: IO[bytes], report: IO[bytes]) -> Execution:
    stdout = _text(out, OUTPUT_BYTES)
    if status in (None, -signal.SIGXCPU):
        return Execution(outcome="timeout", stdout=stdout)
    try:
        said = json.loads(_text(report, OUTPUT_BYTES))
        warned = tuple(Warned(**warning) for warning in said["warnings"])
        raised = Raised(**said["exception"]) if said["exception"] else None
    except (ValueError, TypeError, KeyError):
        last = _text(err, OUTPUT_BYTES).strip().splitlines()[-1:] or ["no message"]
        return Execution(outcome="crashed", stdout=stdout, detail=f"exit status {status}: {last[0][:500]}")
    return Execution(outcome="raised" if raised else "finished", stdout=stdout, exception=raised, warnings=warned)


def _text(file: IO[bytes], most: int) -> str:
    file.seek(0)
    return file.read(most).decode("utf-8", errors="replace")
