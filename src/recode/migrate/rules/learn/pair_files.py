"""Files of pairs that are written for rules: `data/rules/pairs/<library>.toml`.

Like an update source (`data/sources/FORMAT.md`), but a family's note says where the change is announced instead of quoting it,
and nothing of it becomes a record of the data set.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from recode.dataset.sources import SourceProgram, SourceReleases, Text, UnverifiedEntry
from recode.errors import RecordError
from recode.records import ApiUpdate, Author, Kind, Migration, Record, first_fault
from recode.sandbox.environments import locked_requirements
from recode.symbol import Symbol


class PairFamily(Record):
    """A change of an API, with programs before and after it.

    Attributes:
        keeps: kinds of terms that have to be written as in the programs: `["Tuple"]` where only a tuple needs the change.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    kind: Kind
    old_symbol: Symbol
    new_symbol: Symbol = Symbol("")
    deprecated_in: str = ""
    removed_in: str = ""
    note: Text
    keeps: tuple[Literal["Tuple", "List", "Dict", "Constant", "Compare", "Subscript"], ...] = ()
    program: Annotated[tuple[SourceProgram, ...], Field(min_length=2)]


class RulePairFile(SourceReleases):
    """One file: the releases of a library, and families of pairs."""

    author: Author
    author_means: str = ""
    family: Annotated[tuple[PairFamily, ...], Field(min_length=1)]


@dataclass(frozen=True)
class PairEntry(UnverifiedEntry):
    """A pair, and what its family keeps."""

    keeps: tuple[str, ...] = ()


def read_pair_file(file: Path, locks: Path) -> list[PairEntry]:
    """Return the entries of a file of pairs, still to be verified; their ids are `<family>-<number>`, counted from 1.

    The environments are those of the locks, where these exist.

    Raises:
        RecordError: the file cannot be read or does not follow the format; names file and field.
    """
    try:
        source = RulePairFile.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecordError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecordError(f"{file}: not valid TOML: {error}") from None
    except ValidationError as error:
        raise RecordError(f"{file}: {first_fault(error)}") from None
    releases: dict[str, Any] = {name: getattr(source, name) for name in SourceReleases.model_fields}
    for side in ("old", "new"):
        if not releases[f"{side}_requires"]:
            releases[f"{side}_requires"] = locked_requirements(locks, source.library, releases[f"{side}_version"])
    return [
        PairEntry(_entry(source, family, number), SourceReleases(**releases), file, family.keeps)
        for family in source.family
        for number in range(len(family.program))
    ]


def _entry(source: RulePairFile, family: PairFamily, number: int) -> Migration:
    shared = {name: getattr(family, name) for name in ApiUpdate.model_fields if name in PairFamily.model_fields}
    program = family.program[number]
    return Migration(
        **shared, id=f"{family.id}-{number + 1}", family_id=family.id, library=source.library,
        old_version=source.old_version, new_version=source.new_version, description=family.note, update_info=family.note,
        old_code=program.old.strip("\n") + "\n", new_code=program.new.strip("\n") + "\n", context=program.context,
        author=source.author, author_means=source.author_means,
    )  # fmt: skip
