"""Standard output whose failures are reported: a full disk or a closed pipe ends a command with one line."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recode.errors import RecodeError

if TYPE_CHECKING:
    from typing_extensions import Buffer


class OutputError(RecodeError):
    """Standard output cannot be written."""


@contextmanager
def checked_output() -> Iterator[None]:
    """Raise an `OutputError` as soon as standard output cannot be written, at the latest when the context ends.

    Without it, what is still buffered when Python exits can be lost without an error, and a failed write in the middle
    looks like any other OSError to the code around it.
    """
    if sys.stdout is None:
        # Python found descriptor 1 closed. The next file to be opened would get that number, and with it the output of
        # every subprocess, so nothing is run.
        raise OutputError("standard output is closed; redirect it to /dev/null if it is not wanted")
    given = sys.__stdout__
    if given is None or sys.stdout is not given:
        # A test or another program has replaced it and is responsible for it.
        yield
        return
    given.flush()
    raw = _CheckedFile(given.fileno(), "wb", closefd=False)
    checked = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=given.encoding,
        errors=given.errors,
        line_buffering=given.line_buffering,
        write_through=given.write_through,
    )
    sys.stdout = checked
    try:
        yield
    finally:
        sys.stdout = given
        checked.flush()
    if raw.error is not None:
        # Raised before, but caught on the way by code that handles every exception.

        raise raw.error


class _CheckedFile(io.FileIO):
    """A file that raises an `OutputError` once, and from then on drops what is written."""

    error: OutputError | None = None

    def write(self, data: Buffer) -> int:
        """Write, or report why not."""
        if self.error is not None:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self.error = OutputError(_reason(error))
            raise self.error from None


def _reason(error: OSError) -> str:
    if error.errno == errno.EPIPE:
        return "standard output was closed before everything was printed; finished work is kept"
    return f"standard output: {os.strerror(error.errno or errno.EIO)}; finished work is kept"
