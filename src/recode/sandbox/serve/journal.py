"""Accepted jobs and their results in an SQLite file, so that a killed server loses neither.

A job is written and synced to the disk before its number is given out, and a result before anybody can read it. Writes of the same moment
share one transaction, and so one sync.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from recode.errors import RecodeError
from recode.run_folder import exclusive

_TABLE = """
create table if not exists jobs (
    id text primary key,
    request text not null,
    result text,
    accepted real not null
)
"""
_TOGETHER = 500
"""How many writes share one transaction at most."""


class StoredJob(NamedTuple):
    """A job as it is on the disk; `result` is None until it ran."""

    id: str
    request: str
    result: str | None


_Write = tuple[str, tuple[Any, ...], "Future[int]"]


class Journal:
    """The jobs in a folder, which one server at a time may use. Thread-safe; close it when done."""

    def __init__(self, folder: Path) -> None:
        """Open the folder's journal, or start one.

        Raises:
            RecodeError: another server uses the folder, or the file is no journal of ours.
        """
        self._stack = ExitStack()
        self._stack.enter_context(exclusive(folder))
        self.path = folder / "jobs.sqlite"
        self._writes: SimpleQueue[_Write | None] = SimpleQueue()
        try:
            self._reading = _connect(self.path)
            self._reading.execute(_TABLE)
        except sqlite3.Error as error:
            self._stack.close()
            raise RecodeError(
                f"{self.path}: cannot be used as a journal ({error}); delete it or choose another folder"
            ) from None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self._thread.start()

    def add(self, number: str, request: str) -> Future[int]:
        """Write a job; the result is 1 once it is on the disk, or 0 if there is a job of this number already."""
        return self._write("insert or ignore into jobs values (?, ?, null, ?)", (number, request, time.time()))

    def finish(self, number: str, result: str) -> Future[int]:
        """Write a job's result."""
        return self._write("update jobs set result = ? where id = ?", (result, number))

    def forget(self, number: str) -> Future[int]:
        """Delete a job; the result is 0 if there is none."""
        return self._write("delete from jobs where id = ?", (number,))

    def forget_older(self, seconds: float) -> Future[int]:
        """Delete jobs with a result that were accepted longer ago; the result is how many."""
        return self._write("delete from jobs where result is not null and accepted < ?", (time.time() - seconds,))

    def get(self, number: str) -> StoredJob | None:
        """Return a job that is on the disk."""
        with self._lock:
            row = self._reading.execute("select id, request, result from jobs where id = ?", (number,)).fetchone()
        return StoredJob(*row) if row else None

    def unfinished(self) -> Iterator[StoredJob]:
        """Yield the jobs without a result, in the order in which they were accepted."""
        with self._lock:
            rows = self._reading.execute(
                "select id, request, result from jobs where result is null order by accepted, rowid"
            ).fetchall()
        yield from (StoredJob(*row) for row in rows)

    def close(self) -> None:
        """Write what is left, and free the folder."""
        self._writes.put(None)
        self._thread.join()
        self._reading.close()
        self._stack.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> Future[int]:
        done: Future[int] = Future()
        self._writes.put((statement, values, done))
        return done

    def _write_all(self) -> None:
        connection = _connect(self.path)
        ended = False
        while not ended:
            batch = [self._writes.get()]
            with suppress(Empty):
                while len(batch) < _TOGETHER:
                    batch.append(self._writes.get_nowait())
            ended = None in batch
            _commit(connection, [write for write in batch if write is not None])
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30.0)
    connection.execute("pragma journal_mode = wal")
    # Synced at every commit, so that a machine that is switched off loses nothing either.
    connection.execute("pragma synchronous = full")
    return connection


def _commit(connection: sqlite3.Connection, batch: list[_Write]) -> None:
    """Make the writes in one transaction, then tell those who wait for them, also if it fails."""
    changed: list[int] = []
    try:
        connection.execute("begin immediate")
        changed.extend(connection.execute(statement, values).rowcount for statement, values, _ in batch)
        connection.execute("commit")
    except sqlite3.Error as error:
        with suppress(sqlite3.Error):
            connection.execute("rollback")
        for _, _, done in batch:
            done.set_exception(RecodeError(f"the journal cannot be written: {error}; is the disk full?"))
        return
    for (_, _, done), count in zip(batch, changed, strict=True):
        done.set_result(count)
