"""A task of the toy library, and a grader that knows its releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recode.environments.grading import Grader
from recode.environments.tasks import MigrationTask
from recode.errors import SandboxError
from recode.records import Migration
from recode.sandbox.environments import ensure_lock
from recode.sandbox.levels import best_level

OLD = "import toylib\n\nsides = [1.5, 2.0]\nprint(toylib.area(sides))\n"
NEW = OLD.replace("area", "surface")

MakeTask = Callable[..., MigrationTask]


@pytest.fixture(scope="session")
def toy_locks(toy_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy-locks")
    for version in ("1.0", "2.0"):
        ensure_lock(folder, "toylib", version)
    return folder


@pytest.fixture
def make_task(make_entry: Callable[..., Migration], toy_locks: Path) -> MakeTask:
    locks = tuple(ensure_lock(toy_locks, "toylib", version).digest for version in ("1.0", "2.0"))
    return lambda **changes: MigrationTask(entry=make_entry(**{"stdout": "7.0\n", "locks": locks, **changes}))


@pytest.fixture
def task(make_task: MakeTask) -> MigrationTask:
    return make_task()


@pytest.fixture
def grader(toy_locks: Path) -> Iterator[Grader]:
    try:
        best_level()
    except SandboxError as error:
        pytest.skip(str(error))
    with Grader(toy_locks) as grader:
        yield grader
