"""Tasks are the entries whose answers can be run, in the order of their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from recode.environments.tasks import load_tasks
from recode.errors import RecordError
from recode.prompts import INSTRUCTION
from recode.records import write_jsonl
from tests.environments.conftest import OLD, MakeTask


def test_entries_that_cannot_be_run_are_counted(make_task: MakeTask, toy_locks: Path, tmp_path: Path) -> None:
    changes = [{}, {"stdout": None}, {"locks": None}, {"new_code": "def ("}, {"locks": ("0", "0")}, {"new_code": OLD}]
    entries = [make_task(**{"id": str(number), **change}).entry for number, change in enumerate(changes)]
    file = tmp_path / "entries.jsonl"
    write_jsonl(file, (entry.model_dump(mode="json") for entry in entries))
    found = load_tasks(file, locks=toy_locks)
    assert [task.id for task in found.tasks] == ["0", "5"]
    assert [task.is_no_op for task in found.tasks] == [False, True]
    assert found.ungradable == 4
    assert [task.id for task in load_tasks(file, limit=1, locks=toy_locks).tasks] == ["0"]
    with pytest.raises(RecordError, match="no entry has an output"):
        load_tasks(file, locks=tmp_path)


def test_shipped_splits_are_tasks() -> None:
    found = load_tasks("@validation", limit=5)
    assert len(found.tasks) == 5
    task = found.tasks[0]
    assert task.messages[1]["content"] == f"{task.request} {INSTRUCTION.partition('concern. ')[2]}"
    assert load_tasks("@validation", limit=5, notes="none").tasks[0].entry.update_info == ""
