"""Reading the update sources: `data/sources/*.toml` (format: `docs/reference/sources.md`) → entries that are still to be verified."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from recode.errors import RecordError
from recode.packages import exact_version, project_name, requirement
from recode.records import ApiUpdate, Author, Evidence, Kind, Migration, Record
from recode.symbol import Symbol


def _not_empty(symbol: Symbol) -> Symbol:
    if not symbol.path:
        raise ValueError("is empty; name the old API, such as numpy.ndarray.ptp")
    return symbol


def _module_name(text: str) -> str:
    if not text or Symbol(text).path != text:
        raise ValueError(f"{text!a} is not the name of a module")
    return text


def _migration_kind(kind: Kind) -> Kind:
    if kind == "no_op":
        raise ValueError("no_op entries are made by `recode data build`, not written")
    return kind


Text = Annotated[str, Field(min_length=1)]


class SourceProgram(Record):
    """A program before and after an update."""

    context: str = ""
    old: Text
    new: Text


class SourceUpdate(Record):
    """An update family, with its programs."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    kind: Annotated[Kind, AfterValidator(_migration_kind)]
    old_symbol: Annotated[Symbol, AfterValidator(_not_empty)]
    new_symbol: Symbol
    deprecated_in: str = ""
    removed_in: str = ""
    description: Text
    update_info: Text
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1)]
    program: Annotated[tuple[SourceProgram, ...], Field(min_length=1)]


class SourceReleases(Record):
    """The two releases of a library that a file is about, and the further requirements of their environments."""

    library: Annotated[str, AfterValidator(project_name)]
    import_name: Annotated[str, AfterValidator(_module_name)]
    old_version: Annotated[str, AfterValidator(exact_version)]
    new_version: Annotated[str, AfterValidator(exact_version)]
    old_requires: tuple[Annotated[str, AfterValidator(requirement)], ...] = ()
    new_requires: tuple[Annotated[str, AfterValidator(requirement)], ...] = ()


class UpdateSource(SourceReleases):
    """One file of update sources; `author` and `author_means` say who wrote its programs."""

    author: Author = "unknown"
    author_means: str = ""
    update: Annotated[tuple[SourceUpdate, ...], Field(min_length=1)]


@dataclass(frozen=True)
class UnverifiedEntry:
    """An entry without stdout and locks, the releases it is about, and the file it comes from."""

    entry: Migration
    releases: SourceReleases
    file: Path


def read_sources(paths: Iterable[Path]) -> list[UnverifiedEntry]:
    """Read files of update sources; of a folder, its `*.toml` files.

    Returns:
        the entries in the order of library, family and program; their ids are `<family>-<number>`, counted from 1.

    Raises:
        RecordError: a file cannot be read or does not follow the format, or two share a library or a family's id;
            names file, update and field, and the line where it is known.
    """
    files = [file for path in paths for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    if not files:
        raise RecordError("no update sources found; give a TOML file or a folder that holds some")
    seen: dict[str, Path] = {}
    libraries: dict[str, Path] = {}
    entries = []
    for file in files:
        source = read_file(file)
        if source.library in libraries:
            raise RecordError(
                f"{file}: field `library`: {libraries[source.library]} is about `{source.library}` too; join them"
            )
        libraries[source.library] = file
        for update in source.update:
            if update.id in seen:
                raise RecordError(
                    f"{file}: update `{update.id}`: field `id`: already used in {seen[update.id]}; rename one"
                )
            seen[update.id] = file
            entries += [_entry(file, source, update, number) for number in range(1, len(update.program) + 1)]
    return entries


def read_file(file: Path) -> UpdateSource:
    """Read one file of update sources.

    Raises:
        RecordError: it cannot be read or does not follow the format; names update and field.
    """
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{file}: not UTF-8 (byte {error.start}); convert the file to UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise RecordError(f"{file}: not valid TOML: {error}") from None
    try:
        return UpdateSource.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise RecordError(f"{file}: {_place(value, first['loc'])}: {first['msg']}{more}") from None


def _place(value: dict[str, Any], location: tuple[int | str, ...]) -> str:
    """Name the place of an error as a reader of the file sees it: by the update's id rather than its index."""
    if len(location) < 2 or location[0] != "update" or not isinstance(location[1], int):
        return f"field `{'.'.join(map(str, location))}`"
    update = value["update"][location[1]]
    name = update.get("id") if isinstance(update, dict) else None
    field = ".".join(str(part + 1 if isinstance(part, int) else part) for part in location[2:])
    return f"update `{name or f'number {location[1] + 1}'}`: field `{field or 'update'}`"


def _entry(file: Path, source: UpdateSource, update: SourceUpdate, number: int) -> UnverifiedEntry:
    program = update.program[number - 1]
    shared: dict[str, Any] = {
        name: getattr(update, name) for name in ApiUpdate.model_fields if name in SourceUpdate.model_fields
    }
    entry = Migration(
        **shared,
        id=f"{update.id}-{number}",
        family_id=update.id,
        library=source.library,
        old_version=source.old_version,
        new_version=source.new_version,
        old_code=program.old.strip("\n") + "\n",
        new_code=program.new.strip("\n") + "\n",
        context=program.context,
        author=source.author,
        author_means=source.author_means,
    )
    releases: dict[str, Any] = {name: getattr(source, name) for name in SourceReleases.model_fields}
    return UnverifiedEntry(entry, SourceReleases(**releases), file)
