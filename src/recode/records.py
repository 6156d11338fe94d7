"""The records that stages exchange, with one reader and one writer for all of them.

A file of records is JSON Lines in UTF-8, one record per line. Writing is atomic: a reader sees either the old file or the new one.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from recode.errors import RecordError
from recode.packages import exact_version, project_name
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

Author = Literal["model", "generator", "person", "unknown"]
"""Who wrote an entry's programs. It informs readers; nothing is trusted because of it."""

UnchangedBecause = Literal["unconcerned", "migrated", "same_name", "earlier_release", "guarded"]
"""Why the right answer of a `no_op` entry is the code unchanged.

`unconcerned`: the note is about other APIs. `migrated`: the code follows the note already. `same_name`: the code uses the old name
for something else. `earlier_release`: the target release comes before the change. `guarded`: the code asks which release it has.
"""

UNRECORDED_MODEL = "written by a language model, not recorded which"
BY_RULES = "made up by a rule-based generator (`recode.invent`)"
PAIRED = "paired with the note of another entry by `recode data build`"
"""How the entries of this project were made (`author_means`)."""

_FORMER_AUTHORS: dict[str, tuple[Author, str]] = {
    "hand-written": ("model", UNRECORDED_MODEL),
    "combined": ("model", f"{UNRECORDED_MODEL}; {PAIRED}"),
    "generator": ("generator", BY_RULES),
    "imported": ("unknown", "imported from a file that does not say"),
}
"""The values of `author` in files written before `author_means` existed. Any other value in them is the name of a model."""


def _library(text: str) -> str:
    return project_name(text) if text else text


def _version(text: str) -> str:
    return exact_version(text) if text else text


LibraryName = Annotated[str, AfterValidator(_library)]
"""A distribution's name by PyPI's rule; empty where it is not known."""

VersionText = Annotated[str, AfterValidator(_version)]
"""An exact version by PEP 440; empty where it is not known."""


class Record(BaseModel):
    """Base of all records: unknown fields are errors, values are never changed after construction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    may_hold_nul: ClassVar[bool] = False
    """Whether `read_records` accepts NUL characters: for programs that are judged rather than believed."""

    @classmethod
    def updated(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Return a line of a file with the spellings of older files replaced by today's."""
        return value


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
    library: LibraryName
    old_version: VersionText
    new_version: VersionText
    deprecated_in: str = ""
    removed_in: str = ""
    kind: Kind
    old_symbol: Symbol
    new_symbol: Symbol
    description: str
    update_info: str
    evidence: tuple[Evidence, ...] = ()


class UpdatePart(Record):
    """One of the updates of a composed entry."""

    family_id: str
    kind: Kind
    old_symbol: Symbol
    new_symbol: Symbol


class Migration(ApiUpdate):
    """One training or test example: a program before and after an update, and the note that explains it.

    A composed entry follows several updates, its `parts`; kind and symbols of the entry itself are those of the first.
    `alternatives` are further right answers that its note allows.

    `stdout` is what the old program prints on the old release and the new one on the new release. `locks` are the digests of
    the two environments it was verified in (old, new). Made-up entries (`author = "generator"`) have neither. `author` says
    who wrote the programs and `author_means` how, in words.
    """

    id: str
    old_code: str
    new_code: str
    context: str = ""
    stdout: str | None = None
    old_on_new: OldOnNew | None = None
    locks: tuple[str, str] | None = None
    author: Author
    author_means: str = ""
    unchanged_because: UnchangedBecause | None = None
    parts: tuple[UpdatePart, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def families(self) -> tuple[str, ...]:
        """The update families that it is about: those of its parts, or its own."""
        return tuple(part.family_id for part in self.parts) or (self.family_id,)

    @classmethod
    def updated(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Return the entry with the fields that older files lack, or spell otherwise."""
        if value.get("kind") == "no_op" and "unchanged_because" not in value:
            value = {**value, "unchanged_because": "unconcerned"}
        former = value.get("author")
        if "author_means" in value or not isinstance(former, str):
            return value
        if former in ("model", "person", "unknown"):
            return {**value, "author_means": ""}
        author, means = _FORMER_AUTHORS.get(former, ("model", f"written by {former}"))
        return {**value, "author": author, "author_means": means}

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
    """Yield `(line number, object)` for every non-blank line of a JSON Lines file; a byte order mark at its start is skipped.

    Raises:
        RecordError: the file cannot be read, or a line is not a JSON object; names file and line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(path, number, line)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 (byte {error.start}); convert the file to UTF-8") from None
    except ValueError as error:
        # A NUL character or half a character in the path.
        raise RecordError(f"{str(path)!a}: cannot be read ({error}); check the path") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}:{number}: not valid JSON ({error}); each line must be one object") from None
    if not isinstance(value, dict):
        raise RecordError(f"{path}:{number}: a {type(value).__name__} where a JSON object is expected")
    return value


def read_records(path: str | Path, kind: type[RecordT]) -> list[RecordT]:
    """Read every record of a JSON Lines file.

    Raises:
        RecordError: at the first bad line; names file, line and field and says what was expected.
    """
    records = []
    for number, value in read_jsonl(path):
        if fault := _fault_in_text(value, kind.may_hold_nul):
            raise RecordError(f"{path}:{number}: {fault}")
        try:
            # As JSON again, so that lists become tuples and nothing else is coerced.
            records.append(kind.model_validate_json(json.dumps(kind.updated(value)), strict=True))
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {first_fault(error)}") from None
    return records


def _fault_in_text(value: dict[str, Any], may_hold_nul: bool) -> str:
    """Return the first field, however deep, with a character that no text may hold, and its fault; empty where there is none."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        place, part = waiting.pop()
        inner: Iterable[tuple[Any, Any]] = ()
        if isinstance(part, str):
            if "\0" in part and not may_hold_nul:
                return f"field `{place}`: holds a NUL character; remove it"
            if not _is_utf8(part):
                return f"field `{place}`: holds a lone surrogate (half a UTF-16 character); remove it"
        elif isinstance(part, dict):
            inner = part.items()
        elif isinstance(part, list | tuple):
            inner = enumerate(part)
        waiting += reversed([(f"{place}.{name}" if place else str(name), one) for name, one in inner])
    return ""


def first_fault(error: ValidationError) -> str:
    """Return the field and the fault of the first thing wrong with a record, and how many more there are."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "(record)"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"field `{field}`: {first['msg'].removeprefix('Value error, ')}{more}"


def write_records(path: str | Path, records: Iterable[Record]) -> int:
    """Write records as JSON Lines, atomically; return how many.

    Raises:
        RecordError: the file cannot be written.
    """
    return write_jsonl(path, (record.model_dump(mode="json") for record in records))


def write_jsonl(path: str | Path, values: Iterable[dict[str, Any]]) -> int:
    """Write objects as JSON Lines, atomically; return how many.

    Raises:
        RecordError: the file cannot be written, or a text holds a lone surrogate; names line and field.
    """
    lines = []
    for number, value in enumerate(values, start=1):
        lines.append(json.dumps(value, ensure_ascii=False) + "\n")
        if not _is_utf8(lines[-1]):
            fault = _fault_in_text(value, may_hold_nul=True) or "a field's name holds a lone surrogate; remove it"
            raise RecordError(f"{path}:{number}: cannot be written: {fault}")
    write_text(path, "".join(lines))
    return len(lines)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 file as `write_bytes` does.

    Raises:
        RecordError: the file cannot be written, or the text holds a lone surrogate; names the line.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise RecordError(f"{path}:{line}: cannot be written: the text holds a lone surrogate; remove it") from None
    write_bytes(path, content)


def write_bytes(path: str | Path, content: bytes, mode: int | None = None) -> None:
    """Write a file atomically: the path holds the old content or the new one, whenever the process is killed.

    A link is kept: the file it points to is replaced. Anything that is not a file, such as `/dev/stdout` or a pipe, is written to.

    Raises:
        RecordError: the folder or the file cannot be written; the file is left as it was.
    """
    path = Path(path)
    try:
        # Before links are followed: the one behind /dev/stdout leads nowhere where that is a pipe.
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        target = Path(os.path.realpath(path))
        # A path that is still a link after all links were followed is part of a loop.
        if any(part.is_symlink() for part in (target, *target.parents)):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        # Replacing a file needs no permission on the file itself, so read-only ones have to be checked for.
        if target.exists() and not os.access(target, os.W_OK):
            raise OSError(errno.EACCES, "the file is read-only")
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name of up to 255 bytes is allowed, so the temporary one must not add to it.
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    except OSError as error:
        raise RecordError(f"{path}: cannot be written ({error.strerror})") from None
    except ValueError as error:
        # A NUL character or half a character in the path.
        raise RecordError(f"{str(path)!a}: cannot be written ({error})") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; without a mode a file gets the usual permissions.
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
