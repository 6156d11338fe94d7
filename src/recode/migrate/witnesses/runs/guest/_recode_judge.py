"""Writes the outcomes of a run to a log: one JSON list a line, by kinds.

`["o", place, inputs, digest, latent, number]` is a value, `["x", place, inputs, error, message, number]` an error, `["v", digest, copy,
text]` what a digest stands for, `["w", place, category, message]` a warning, `["e", place, number, caller]` a function that a library called.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, Callable, Sequence

if TYPE_CHECKING:
    from recode.migrate.witnesses.runs.guest._recode_expressions import Site
    from recode.migrate.witnesses.runs.guest._recode_recorder import FrameState
    from recode.migrate.witnesses.runs.guest._recode_values import Seen, Values, copied, project_modules, short
else:
    from _recode_values import Seen, Values, copied, project_modules, short

_LARGEST_LOG = 256 << 20
_ALL_COPIES = 64 << 20
_BUFFERED = 200
Answer = Callable[["FrameState"], None]


class Log:
    """A file of lines for this process; a forked child writes its own."""

    def __init__(self, folder: str, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.lines: list[str] = []
        self.written, self.pid, self.path = 0, 0, ""

    def add(self, row: list[Any], now: bool = False) -> None:
        """Add a line; `now` writes it at once."""
        self.lines.append(json.dumps(row, ensure_ascii=True))
        if now or len(self.lines) >= _BUFFERED or self.pid not in (0, os.getpid()):
            self.flush()

    def flush(self) -> None:
        """Write what was added."""
        lines = self.lines[:]
        self.lines.clear()
        if self.pid != os.getpid():
            self.pid = os.getpid()
            self.path = os.path.join(self.folder, "%s-%020d-%d.jsonl" % (self.prefix, time.time_ns(), self.pid))
        if not lines or self.written > _LARGEST_LOG:
            return
        text = "\n".join(lines) + "\n"
        self.written += len(text)
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            pass


class Judge:
    """Records every outcome and changes nothing."""

    def __init__(self, table: list[Site], places: list[str], values: Values, log: Log) -> None:
        self.table, self.places, self.values, self.log = table, places, values, log
        self.differences = 0
        self.number = 0
        self.seen_digests: dict[str, bool] = {}
        self.seen_entries: dict[str, bool] = {}
        self.copies = 0
        self.of_statement: dict[int, list[int]] = {}
        self.known_to = 0

    def sites_of(self, statement: int) -> list[int]:
        """Return the expressions of a statement, outer ones first."""
        for number in range(self.known_to, len(self.table)):
            owner = self.table[number].statement
            if owner is not None:
                self.of_statement.setdefault(owner, []).append(number)
        self.known_to = len(self.table)
        return self.of_statement.get(statement, [])

    def is_own(self, value: Any) -> bool:
        """Return whether a value is an object of the project's own classes."""
        return type(value).__module__ in project_modules

    def outcome(self, site: int, operands: Sequence[Seen], value: Any, epoch: int) -> tuple[Any, Seen]:
        """Take what an expression gave; return the value to use, and what is seen of it."""
        seen = self.values.see(value)
        self.record(self.places[site], operands, seen, value)
        return value, seen

    def record(self, place: str, operands: Sequence[Seen], seen: Seen, value: Any) -> None:
        """Write an outcome to the log."""
        self.number += 1
        self._value(seen, value)
        self.log.add(["o", place, inputs_of(operands), seen.digest, seen.latent, self.number])

    def _value(self, seen: Seen, value: Any) -> None:
        if seen.digest in self.seen_digests:
            return
        self.seen_digests[seen.digest] = True
        copy = copied(value) if seen.copyable and self.copies < _ALL_COPIES else None
        self.copies += len(copy or b"")
        text = short(value) if seen.copyable else f"<{type(value).__name__}>"
        self.log.add(["v", seen.digest, base64.b64encode(copy).decode() if copy is not None else None, text])

    def objects(self, site: int, operands: Sequence[Seen], objects: Sequence[Any], state: FrameState) -> None:
        """Take the objects that a statement may have changed."""
        for number, value in enumerate(objects):
            self.record("%s#%d" % (self.places[site], number), operands, self.values.see(value), value)

    def failed(
        self,
        statement: int,
        site: int,
        operands: Sequence[Seen],
        error: BaseException,
        is_first: bool,
        raised_in: int | None,
        state: FrameState,
    ) -> Answer | None:
        """Take an error; return how the statement is continued, or None if it must raise."""
        self.number += 1
        row = ["x", self.places[site], inputs_of(operands), type(error).__name__, first_line(error), self.number]
        self.log.add(row)
        return None

    def made(self, statement: int, state: FrameState) -> None:
        """Take a class or function that was made, perhaps without some of its statements or decorators."""
        if self.places[statement] not in self.seen_entries:
            self.seen_entries[self.places[statement]] = True
            self.record(self.places[statement], (), Seen("made;"), None)

    def is_new_entry(self, site: int) -> bool:
        """Return whether a function is called by the library for the first time."""
        return self.places[site] not in self.seen_entries

    def entered(self, site: int, caller: int | None) -> None:
        """Take the call of a function by the library; `caller` is the project's expression that called the library."""
        self.seen_entries[self.places[site]] = True
        self.log.add(["e", self.places[site], self.number, self.places[caller] if caller is not None else ""])

    def warned(self, site: int, category: type, message: str) -> None:
        """Take a warning that an expression or statement of the project caused."""
        self.log.add(["w", self.places[site], category.__name__, message[:300]])

    def last_value(self, site: int, value: Any) -> Any:
        """Return what stands for an absent value that is no longer compared."""
        return value

    def after(self, site: int, number: int, value: Any, state: FrameState) -> Any:
        """Return what an object would be after a skipped statement."""
        return value

    def imported(self, site: int, names: dict[str, Any]) -> Any:
        """Return what an import that failed stands for."""
        raise ImportError(self.table[site].name)

    def finish(self) -> None:
        """Write what is left at the end of the process."""
        self.log.flush()


def inputs_of(operands: Sequence[Seen]) -> str:
    """Return the digest of an expression's operands."""
    text = "|".join([one.digest for one in operands])
    return (
        text if len(text) <= 40 else hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # The message of a library's error.
        lines = []
    return lines[0][:300] if lines else ""
