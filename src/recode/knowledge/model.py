"""What is known of a library's releases, as files: its updates (JSON Lines of `ApiUpdate`) and, beside them, its shape.

Whoever collects writes them, whoever scans reads them. They come with the package for the libraries of the data set, and are kept
below `$RECODE_HOME` for others.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from recode.errors import RecordError
from recode.records import ApiUpdate, Record, read_records, write_records, write_text


class Shape(Record):
    """What the older release looks like, as far as finding uses needs it. Paths are the best public ones, unless said."""

    library: str
    packages: tuple[str, ...]
    """Names that programs import, the main one first."""
    old_version: str
    new_version: str
    aliases: dict[str, str] = Field(default_factory=dict)
    """Further public paths of functions and classes → their best one."""
    classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Public classes → those they derive from, in the order of resolution."""
    parameters: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Callables that updates are about → parameters that can be given by position, without `self`."""
    positional: dict[str, int] = Field(default_factory=dict)
    """The same callables → how many arguments the newer release takes by position, where it bounds them."""
    keeps: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Classes → members that the newer release has still, though a class they derive from lost one of that name."""
    returns: dict[str, str] = Field(default_factory=dict)
    """Functions, `class.method`s and `class.property`s → class of what they give; `Self` is the receiver's."""


@dataclass(frozen=True)
class Knowledge:
    """Updates of one library between two releases, and the older one's shape where it is known."""

    updates: tuple[ApiUpdate, ...]
    shape: Shape | None = None


def shipped_folder() -> Path:
    """Return the folder of the knowledge that comes with the package."""
    return Path(__file__).parent / "files"


def cache_folder() -> Path:
    """Return the folder of the knowledge that was collected on this machine."""
    return Path(os.environ.get("RECODE_HOME") or "~/.cache/recode").expanduser().absolute() / "knowledge"


def read_knowledge(updates: Path) -> Knowledge:
    """Read a file of updates and the shape beside it, if there is one.

    Raises:
        RecordError: one of them is no such file; names file, line and field.
    """
    records = read_records(updates, ApiUpdate)
    path = shape_file(updates)
    if not path.exists():
        return Knowledge(tuple(records))
    try:
        shape = Shape.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise RecordError(f"{path}: not a library's shape ({first}); delete it and collect again") from None
    return Knowledge(tuple(records), shape)


def write_knowledge(updates: Path, knowledge: Knowledge) -> None:
    """Write a file of updates, and the shape beside it."""
    if knowledge.shape is not None:
        # The shape first: updates without their shape would be found and used.
        text = json.dumps(knowledge.shape.model_dump(mode="json"), ensure_ascii=False, indent=0, sort_keys=True)
        write_text(shape_file(updates), text + "\n")
    write_records(updates, knowledge.updates)


def shape_file(updates: Path) -> Path:
    """Return where the shape stands that belongs to a file of updates."""
    return updates.with_name(updates.name.removesuffix(".jsonl") + ".shape.json")
