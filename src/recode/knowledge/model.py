"""The knowledge about a library as files: updates (JSON Lines of `ApiUpdate`) and, next to them, the shape of its older release.

`recode collect` and `recode data knowledge` write them, `recode scan` and `recode migrate` read them. Those of the data set's libraries
are shipped with the package; those of other libraries are stored below `$RECODE_HOME`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from recode.errors import RecordError
from recode.machine import recode_home
from recode.records import ApiUpdate, Record, read_records, write_records, write_text


class Shape(Record):
    """What finding uses needs to know about the older release. Paths are canonical public ones, except where stated."""

    library: str
    packages: tuple[str, ...]
    """The packages that programs import, the main one first."""
    old_version: str
    new_version: str
    aliases: dict[str, str] = Field(default_factory=dict)
    """Other public paths of functions and classes → the canonical one."""
    classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Public classes → their public base classes, in method resolution order."""
    parameters: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Callables that updates are about → the parameters that can be given by position, without `self`."""
    positional: dict[str, int] = Field(default_factory=dict)
    """Callables that updates are about → how many arguments the newer release takes by position, where there is a limit."""
    keeps: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Classes → members that they still have in the newer release, though a base class lost one of that name."""
    returns: dict[str, str] = Field(default_factory=dict)
    """Functions, methods and properties → the class of the result; `Self` stands for the receiver's class."""


@dataclass(frozen=True)
class Knowledge:
    """The updates of one library between two releases, and the shape of the older one; None where it is unknown."""

    updates: tuple[ApiUpdate, ...]
    shape: Shape | None = None


def shipped_folder() -> Path:
    """Return the folder of the knowledge that is shipped with the package."""
    return Path(__file__).parent / "files"


def cache_folder() -> Path:
    """Return the folder of the knowledge that was collected on this machine."""
    return recode_home() / "knowledge"


def read_knowledge(updates: Path) -> Knowledge:
    """Read a file of updates, and the shape next to it if there is one.

    Raises:
        RecordError: one of the two has wrong content; names file, line and field.
    """
    records = read_records(updates, ApiUpdate)
    path = shape_file(updates)
    if not path.exists():
        return Knowledge(tuple(records))
    try:
        shape = Shape.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise RecordError(f"{path}: not the shape of a library ({first}); delete it and collect again") from None
    return Knowledge(tuple(records), shape)


def write_knowledge(updates: Path, knowledge: Knowledge) -> None:
    """Write a file of updates, and the shape next to it."""
    if knowledge.shape is not None:
        # The shape goes first: if the process is killed in between, no updates without their shape are found.
        text = json.dumps(knowledge.shape.model_dump(mode="json"), ensure_ascii=False, indent=0, sort_keys=True)
        write_text(shape_file(updates), text + "\n")
    write_records(updates, knowledge.updates)


def shape_file(updates: Path) -> Path:
    """Return the path of the shape that belongs to a file of updates."""
    return updates.with_name(updates.name.removesuffix(".jsonl") + ".shape.json")
