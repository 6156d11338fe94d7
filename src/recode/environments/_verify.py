"""Verdict on `/app/program.py` in the verifier's container of a Harbor task; writes the reward.

Standard library only, and beside it the files that `recode.environments.harbor` copies: it runs in the library's environment. The
program runs as another user, so it can read neither these files nor the reward. The rules are those of `recode.rewards.execution`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from recode.rewards.spelled import refused, spells_out
from recode.source import parses

SECONDS = 60
MAX_CHARACTERS = 100_000
_NOBODY = 65534
_REPORTED_BYTES = 8 << 20
_NUMBER = re.compile(r"(0x)?[0-9a-f]*[0-9][0-9a-f]*")
_VARIABLES = {
    "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "USER": "nobody", "LOGNAME": "nobody", "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}  # fmt: skip

# Reads a job from standard input, runs its program, and reports over a pipe as it goes.
_PROCESS = """
import importlib, json, os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 24, 1 << 24))
job = json.loads(sys.stdin.buffer.read())
runner = type(sys)("runner")
exec(compile(job["runner"], "<frozen runner>", "exec"), runner.__dict__)
def send(kind, value, write=os.write, dumps=json.dumps):
    write(job["reports"], (dumps([kind, value]) + "\\n").encode())
try:
    importlib.import_module(job["module"])
except Exception:
    pass
runner.record_warnings("program.py", lambda warning: send("warned", warning))
runner.record_events("program.py", lambda event: send("event", event))
places = runner.library_places()
exception = runner.run(job["program"], "program.py")
for name in runner.replaced(places):
    send("event", "replaces " + name)
sys.stdout.flush()
send("ran", exception and exception["category"] + ": " + exception["message"])
"""


def run(program: str, module: str, runner: str) -> tuple[str | None, set[tuple[str, ...]], str]:
    """Run a program; return what it printed (None unless it finished), its deprecations and audit events, and why it did not finish."""
    read, write = os.pipe()
    received: list[bytes] = []
    # Reports cannot be taken back from a pipe that is read as they come.
    reader = threading.Thread(target=_receive, args=(read, received))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        os.chown(folder, _NOBODY, _NOBODY)
        job = {"runner": runner, "program": program, "module": module, "reports": write}
        reader.start()
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-s", "-c", _PROCESS], input=json.dumps(job).encode(), cwd=folder, timeout=SECONDS,
                stdout=printed, stderr=subprocess.DEVNULL, check=False, user=_NOBODY, group=_NOBODY, extra_groups=[],
                pass_fds=[write], env={**_VARIABLES, "HOME": folder, "TMPDIR": folder},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None, set(), f"no end after {SECONDS} seconds"
        finally:
            os.close(write)
        reader.join(SECONDS)
        printed.seek(0)
        text = printed.read().decode("utf-8", "replace")
    return _read(done.returncode, b"".join(received), text)


def _receive(read: int, received: list[bytes]) -> None:
    size = 0
    with os.fdopen(read, "rb") as pipe:
        while (data := pipe.read1(1 << 16)) and size < _REPORTED_BYTES:
            received.append(data)
            size += len(data)


def _read(status: int, reports: bytes, printed: str) -> tuple[str | None, set[tuple[str, ...]], str]:
    try:
        said = [json.loads(line) for line in reports.decode("utf-8", "replace").splitlines()]
        found = {
            (str(value["category"]), _NUMBER.sub("0", str(value["message"])))
            for kind, value in said
            if kind == "warned" and value["is_deprecation"]
        }
        events = {(str(value),) for kind, value in said if kind == "event"}
        kind, reason = said[-1] if said else ("", None)
    except (ValueError, TypeError, KeyError):
        return None, set(), "an invalid report"
    if status or kind != "ran" or reason is not None:
        return None, set(), str(reason or f"exit status {status}")
    return printed, found | events, ""


def verdict(program: str, task: dict[str, str], runner: str) -> tuple[float, str]:
    """Return the reward of a program, 1 or 0, and the reason for a 0."""
    known = task["new_code"], task["old_code"]
    if len(program) > MAX_CHARACTERS or not parses(program):
        return 0.0, "not a program"
    if spells_out(program, task["stdout"], known):
        return 0.0, "it spells out the expected output"
    if construct := refused(program, known):
        return 0.0, f"it could hide what it does: {construct}"
    printed, found, reason = run(program, task["module"], runner)
    if printed is None:
        return 0.0, reason
    if printed != task["stdout"]:
        return 0.0, "it prints something else"
    if found and (more := found - run(task["new_code"], task["module"], runner)[1]):
        return 0.0, f"deprecated or not attributable: {min(more)}"
    return 1.0, ""


def main() -> None:
    """Write `reward.txt` and `reason.txt` into the verifier's folder of logs."""
    here = Path(__file__).resolve().parent
    program, logs = (Path(argument) for argument in sys.argv[1:3])
    task = json.loads((here / "task.json").read_text(encoding="utf-8"))
    try:
        text = program.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reward, reason = 0.0, f"{program}: {error}"
    else:
        reward, reason = verdict(text, task, (here / "runner.py").read_text(encoding="utf-8"))
    (logs / "reason.txt").write_text(reason + "\n", encoding="utf-8")
    (logs / "reward.txt").write_text(f"{reward}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
