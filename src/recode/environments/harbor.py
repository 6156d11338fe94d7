"""Tasks as folders of Harbor (https://harborframework.com): instruction, container with the pinned release, verifier, gold solution.

The verifier runs in a container of its own (`environment_mode = "separate"`), which gets the agent's program and nothing else.
"""

from __future__ import annotations

import functools
import inspect
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from recode import source
from recode.environments import _verify
from recode.environments.grading import Grader
from recode.environments.tasks import MigrationTask, locks_by_digest
from recode.errors import RecordError
from recode.machine import cores
from recode.prompts import response
from recode.rewards import hiding, spelled
from recode.sandbox.environments import PYTHON, Lock
from recode.sandbox.guest import _runner

SCHEMA = "1.4"
IMAGE = f"python:{PYTHON}-slim"

_AGENT_IMAGE = f"""\
FROM {IMAGE}
COPY requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.txt
RUN useradd --create-home agent
COPY --chown=agent:agent program.py /app/program.py
RUN chown agent:agent /app
WORKDIR /app
"""
_VERIFIER_IMAGE = f"""\
FROM {IMAGE}
COPY requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.txt
COPY . /tests/
RUN chmod -R go-rwx /tests && mkdir -p /app
WORKDIR /app
"""
_TEST = """\
#!/bin/bash
# Runs as root; the program runs as nobody and cannot read /tests.
mkdir -p /logs/verifier
exec python /tests/verify.py /app/program.py /logs/verifier
"""
_SOLVE = """\
#!/bin/bash
cp "$(dirname "$0")/program.py" /app/program.py
"""
_INSTRUCTION = """\
{request}

The program is `/app/program.py`, and {release} is installed. Edit the file in place. Run it with
`python /app/program.py`. It has to print what it printed with {library} {old_version}, without
deprecated names and without spelling out its output.
"""


@dataclass(frozen=True)
class HarborExport:
    """What an export wrote: new or changed folders, those that were there already, and the tasks left out, by reason.

    `no_ops` need no edit, so the untouched program is right. `failed` are the ids of tasks whose gold program did not score 1
    or whose untouched program did not score 0 in the sandbox.
    """

    written: int
    kept: int
    no_ops: int
    failed: tuple[str, ...]


def export_tasks(
    tasks: Sequence[MigrationTask],
    out: Path,
    grader: Grader,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> HarborExport:
    """Write a folder for every task whose gold program scores 1 and whose untouched program scores 0.

    A folder appears complete or not at all. Those that hold the same files already are kept and not graded again, so a killed
    export resumes. `on_progress` is called with how many tasks are done and how many there are.

    Raises:
        RecordError: a folder cannot be written.
        EnvironmentBuildError: a release cannot be installed.
    """
    changed = [task for task in tasks if not task.is_no_op]
    locks = locks_by_digest(grader.locks)

    def one(task: MigrationTask) -> bool | None:
        folder, files = out / task.id, task_files(task, locks[task.lock_digest])
        written = None if _holds(folder, files) else _scores(task, grader)
        if written:
            _write(folder, files)
        return written

    outcomes: list[bool | None] = []
    with ThreadPoolExecutor(cores()) as pool:
        for written in pool.map(one, changed):
            outcomes.append(written)
            on_progress(len(outcomes), len(changed))
    failed = tuple(task.id for task, written in zip(changed, outcomes, strict=True) if written is False)
    return HarborExport(outcomes.count(True), outcomes.count(None), len(tasks) - len(changed), failed)


def _scores(task: MigrationTask, grader: Grader) -> bool:
    """Say whether the gold program scores 1 and the untouched one 0."""
    grades = [
        grader.grade(task, response("", program)).execution for program in (task.entry.new_code, task.entry.old_code)
    ]
    return grades == [1.0, 0.0]


def task_files(task: MigrationTask, lock: Lock) -> dict[str, str]:
    """Return the files of a task's folder: text by path."""
    entry = task.entry
    requirements = "\n".join(lock.pins) + "\n"
    instruction = _INSTRUCTION.format(
        request=task.request, release=task.release, library=entry.library, old_version=entry.old_version
    )
    facts = {
        "old_code": entry.old_code, "new_code": entry.new_code, "stdout": entry.stdout, "module": task.module,
    }  # fmt: skip
    return {
        "task.toml": _configuration(task),
        "instruction.md": instruction,
        "environment/Dockerfile": _AGENT_IMAGE,
        "environment/requirements.txt": requirements,
        "environment/program.py": entry.old_code,
        "tests/Dockerfile": _VERIFIER_IMAGE,
        "tests/requirements.txt": requirements,
        "tests/test.sh": _TEST,
        "tests/task.json": json.dumps(facts, indent=1) + "\n",
        **_verifier(),
        "solution/solve.sh": _SOLVE,
        "solution/program.py": entry.new_code,
    }


@functools.cache
def _verifier() -> Mapping[str, str]:
    """Return the verifier's own files, which are files of this package."""
    return {
        "tests/verify.py": inspect.getsource(_verify),
        "tests/runner.py": inspect.getsource(_runner),
        "tests/recode/__init__.py": "",
        "tests/recode/source.py": inspect.getsource(source),
        "tests/recode/rewards/__init__.py": "",
        "tests/recode/rewards/hiding.py": inspect.getsource(hiding),
        "tests/recode/rewards/spelled.py": inspect.getsource(spelled),
    }


def _configuration(task: MigrationTask) -> str:
    entry = task.entry
    # A JSON string is a TOML string, except for what JSON leaves as it is and TOML does not: DEL.
    text = {name: json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") for name, value in {
        "name": f"recode/{entry.id}", "description": entry.description, "library": entry.library, "family": entry.family_id,
        "old": entry.old_version, "new": entry.new_version, "kind": entry.kind, "author": entry.author,
    }.items()}  # fmt: skip
    return f"""\
schema_version = "{SCHEMA}"
artifacts = ["/app/program.py"]

[task]
name = {text["name"]}
version = "1.0.0"
description = {text["description"]}
keywords = ["python", "migration", {text["library"]}]

[metadata]
library = {text["library"]}
old_version = {text["old"]}
new_version = {text["new"]}
update_family = {text["family"]}
kind = {text["kind"]}
programs_by = {text["author"]}

[agent]
timeout_sec = 600.0
user = "agent"

[verifier]
timeout_sec = 180.0
environment_mode = "separate"

[environment]
build_timeout_sec = 900.0
cpus = 1
memory_mb = 4096
"""


def _holds(folder: Path, files: Mapping[str, str]) -> bool:
    """Say whether a folder holds exactly these files."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found == set(files) and all((folder / path).read_bytes() == text.encode() for path, text in files.items())


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write a folder beside its place and move it there; an older one is removed first."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder.parent) as place:
            made = Path(place) / folder.name
            for path, text in files.items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_bytes(text.encode())
                if path.endswith(".sh"):
                    (made / path).chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    except OSError as error:
        raise RecordError(
            f"{folder}: cannot be written ({error.strerror}); check the path and the space on the disk"
        ) from None
