"""The records that stages exchange, and their one reader and one writer.

A file of records is JSON Lines in UTF-8, one record a line. Writing is atomic: a reader sees the old file or the new one.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recode.errors import RecordError
from recode.symbol import Symbol

Kind = Literal[
    "renamed",
    "moved",
    "replaced",
    "removed",
    "parameter_renamed",
    "parameter_removed",
    "parameter_added",
    "keyword_only",
    "default_changed",
    "return_changed",
    "deprecated",
    "no_op",
]
"""What an update does. `no_op` marks an entry whose note does not concern its code: the right answer is the code unchanged."""

Status = Literal["breaks", "deprecated"]
"""What an update does to a program at a release."""

Source = Literal["release notes", "deprecation message", "docstring", "signature"]


class Record(BaseModel):
    """Base of all records: unknown fields are errors, values are never changed after construction."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Evidence(Record):
    """Where a real release says that an API changed, quoted verbatim."""

    source: Source
    package_version: str
    file: str
    line: int = Field(ge=1)
    quote: str = Field(min_length=1)


class OldOnNew(Record):
    """What the old program does on the new release: it raises, warns, or prints something else (all on its own line)."""

    outcome: Literal["raises", "warns", "prints_differently"]
    category: str = ""
    """Class name of the exception or warning."""
    message: str = ""
    line: int | None = None
    """Line of the old program, 1-based."""


class ApiUpdate(Record):
    """One change of one public API between two releases of a library."""

    family_id: str
    library: str
    old_version: str
    new_version: str
    deprecated_in: str = ""
    removed_in: str = ""
    kind: Kind
    old_symbol: Symbol
    new_symbol: Symbol
    description: str
    update_info: str
    evidence: tuple[Evidence, ...] = ()


class Migration(ApiUpdate):
    """One training or test example: a program before and after an update, and the note that explains it.

    `stdout` is what the old program prints on the old release and the new one on the new release. `locks` are the digests of
    the two environments it was verified in (old, new). Made-up entries (`author = "generator"`) have neither.
    """

    id: str
    old_code: str
    new_code: str
    context: str = ""
    stdout: str | None = None
    old_on_new: OldOnNew | None = None
    locks: tuple[str, str] | None = None
    author: str

    def published(self) -> dict[str, str]:
        """Return the six fields of the published data set (arXiv 2506.20495), in its spelling."""
        return {
            "dependency": self.library,
            "new_version": f"=={self.new_version}",
            "description": self.description,
            "update_info": self.update_info,
            "old_code": self.old_code,
            "new_code": self.new_code,
        }


RecordT = TypeVar("RecordT", bound=Record)


def read_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield `(line number, object)` for every non-blank line of a JSON Lines file.

    Raises:
        RecordError: the file cannot be read, or a line is not a JSON object; names file and line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise RecordError(
                        f"{path}:{number}: not valid JSON ({error}); each line must be one object"
                    ) from None
                if not isinstance(value, dict):
                    raise RecordError(f"{path}:{number}: a {type(value).__name__} where a JSON object is expected")
                yield number, value
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 (byte {error.start}); convert the file to UTF-8") from None


def read_records(path: str | Path, kind: type[RecordT]) -> list[RecordT]:
    """Read every record of a JSON Lines file.

    Raises:
        RecordError: at the first bad line; names file, line and field and says what was expected.
    """
    records = []
    for number, value in read_jsonl(path):
        try:
            # By way of JSON, so that lists become tuples and nothing else is coerced.
            records.append(kind.model_validate_json(json.dumps(value), strict=True))
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {first_fault(error)}") from None
    return records


def first_fault(error: ValidationError) -> str:
    """Return field and fault of the first thing wrong with a record, and how many more there are."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "(record)"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"field `{field}`: {first['msg']}{more}"


def write_records(path: str | Path, records: Iterable[Record]) -> int:
    """Write records as JSON Lines, atomically; return how many."""
    return write_jsonl(path, (record.model_dump(mode="json") for record in records))


def write_jsonl(path: str | Path, values: Iterable[dict[str, Any]]) -> int:
    """Write objects as JSON Lines, atomically; return how many."""
    lines = [json.dumps(value, ensure_ascii=False) + "\n" for value in values]
    write_text(path, "".join(lines))
    return len(lines)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 file as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes, mode: int | None = None) -> None:
    """Write a file atomically: the path holds the old content or the new, whenever the process is killed.

    A link stays: the file it leads to is replaced. What is no file, such as `/dev/stdout` or a pipe, is written to.

    Raises:
        RecordError: the folder cannot be written.
    """
    path = Path(path)
    try:
        # Before links are followed: the one behind /dev/stdout leads nowhere where that is a pipe.
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise RecordError(f"{path}: cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; without a mode a file has the usual permissions.
        os.chmod(temporary, 0o666 & ~_umask() if mode is None else mode)  # noqa: PTH101
        os.replace(temporary, target)  # noqa: PTH105
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RecordError(f"{path}: cannot be written ({error.strerror})") from None
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
