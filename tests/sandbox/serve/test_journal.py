from __future__ import annotations

from pathlib import Path

import pytest

from recode.errors import RecodeError
from recode.sandbox.serve.journal import Journal


def test_jobs_and_results_are_there_for_the_next_server(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert [journal.add(name, f"request {name}").result() for name in "abc"] == [1, 1, 1]
    assert journal.add("b", "another").result() == 0
    journal.finish("b", "result").result()
    journal.close()
    again = Journal(tmp_path)
    assert [job.id for job in again.unfinished()] == ["a", "c"]
    assert again.get("b") == ("b", "request b", "result")
    assert again.get("d") is None
    assert again.forget("b").result() == 1
    assert again.forget("b").result() == 0
    again.close()


def test_only_results_are_forgotten_by_age(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name in "ab":
        journal.add(name, name).result()
    journal.finish("a", "result").result()
    assert journal.forget_older(3600.0).result() == 0
    assert journal.forget_older(-1.0).result() == 1
    assert [job.id for job in journal.unfinished()] == ["b"]
    journal.close()


def test_many_writes_at_once_are_all_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    done = [journal.add(str(number), "request") for number in range(2000)]
    assert sum(one.result() for one in done) == 2000
    journal.close()
    again = Journal(tmp_path)
    assert [job.id for job in again.unfinished()] == [str(number) for number in range(2000)]
    again.close()


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_text("no database, " * 100)
    with pytest.raises(RecodeError, match=r"jobs\.sqlite: cannot be used as a journal"):
        Journal(tmp_path)
