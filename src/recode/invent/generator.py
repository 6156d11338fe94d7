"""Draws made-up migrations; the entry point of this package."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterator
from importlib import resources

from recode.invent.changes import ApiChange, draw_change
from recode.invent.names import Namer, Pool
from recode.invent.programs import draw_program
from recode.invent.python_text import rename_in_python
from recode.invent.world import World
from recode.records import BY_RULES, Migration
from recode.source import parses
from recode.symbol import Symbol

LONGEST_PROGRAM = 450
"""Characters; longer programs are drawn again."""

__all__ = ["Pool", "generate", "generate_hard_no_ops", "generate_no_ops", "reserved_names"]


@functools.cache
def reserved_names() -> frozenset[str]:
    """Return the public names of the libraries in the data set, which no made-up API may have."""
    return frozenset(resources.files(__package__).joinpath("reserved.txt").read_text(encoding="utf-8").split())


def generate(
    seed: int, pool: Pool = "train", *, no_op_share: float = 0.0, python_share: float = 0.0
) -> Iterator[Migration]:
    """Yield an endless sequence of made-up migrations, which depends on the arguments alone.

    Args:
        seed: of the random choices.
        pool: `train` or `test`. The names of the two share no word.
        no_op_share: share of entries whose note does not concern the code.
        python_share: share of renamings in real functions of Python's standard library.
    """
    rng = random.Random(f"{pool}-{seed}")
    number = 0
    while True:
        number += 1
        if rng.random() < no_op_share:
            yield _no_op(rng, pool, f"{seed}-{number}")
            continue
        world = World.make(rng, Namer(rng, pool, reserved_names()))
        if rng.random() < python_share:
            entry = rename_in_python(world, world.names, number)
            if entry is not None and parses(entry.old_code) and parses(entry.new_code):
                yield entry
            continue
        yield _migration(world, f"{seed}-{number}")


def generate_no_ops(seed: int, pool: Pool = "train") -> Iterator[Migration]:
    """Yield an endless sequence of made-up entries whose note does not concern their code: the right answer is the code unchanged."""
    rng = random.Random(f"no-op-{pool}-{seed}")
    number = 0
    while True:
        number += 1
        yield _no_op(rng, pool, f"{seed}-{number}")


def generate_hard_no_ops(seed: int, pool: Pool = "train") -> Iterator[Migration]:
    """Yield an endless sequence of made-up no-ops that no search for a name tells from migrations.

    Half of the programs follow the note already, so they hold the new name. The others use an API of the noted name that belongs to
    another library, so they hold the old one.
    """
    rng = random.Random(f"hard-no-op-{pool}-{seed}")
    number = 0
    while True:
        number += 1
        names = Namer(rng, pool, reserved_names())
        world = World.make(rng, names)
        entry = _migration(world, f"hard-no-op-{seed}-{number}")
        hard = already_migrated(entry) if rng.random() < 0.5 else _of_another_library(entry, names)
        if hard is not None:
            yield hard


def already_migrated(entry: Migration) -> Migration:
    """Return the no-op whose program follows the entry's note already."""
    changed = {
        "id": f"{entry.id}-migrated",
        "old_code": entry.new_code,
        "stdout": entry.stdout,
        "kind": "no_op",
        "unchanged_because": "migrated",
        "old_on_new": None,
    }
    return entry.model_copy(update=changed)


def _of_another_library(entry: Migration, names: Namer) -> Migration | None:
    """Return the no-op whose note names another library than the one that the program uses; None if the note does not name any."""
    package = entry.old_symbol.package
    word = re.compile(rf"(?<![\w.]){re.escape(package)}(?!\w)")
    other = names.module()
    note = word.sub(other, entry.update_info)
    if note == entry.update_info or other in entry.old_code:
        return None
    symbols = {key: Symbol(word.sub(other, str(getattr(entry, key)))) for key in ("old_symbol", "new_symbol")}
    changed = {
        "id": f"{entry.id}-other",
        "library": other,
        "update_info": note,
        "description": note,
        "new_code": entry.old_code,
        "unchanged_because": "same_name",
    }
    return entry.model_copy(update={**changed, **symbols, "kind": "no_op"})


def _migration(world: World, number: str) -> Migration:
    change, (old, new) = _program(world)
    return _entry(world, change, f"{world.package}-{number}", old, new)


def _program(world: World) -> tuple[ApiChange, tuple[str, str]]:
    """Return a change and a program that shows it; both versions parse, differ and are short enough."""
    library_root, bound = world.root, list(world.variables)
    while True:
        world.root, world.variables = library_root, list(bound)
        change = draw_change(world)
        old, new = draw_program(world, change)
        if old != new and len(old) <= LONGEST_PROGRAM and parses(old) and parses(new):
            return change, (old, new)


def _no_op(rng: random.Random, pool: Pool, number: str) -> Migration:
    """Return an entry whose note is about another API, sometimes one that resembles an API in the code."""
    while True:
        world = World.make(rng, Namer(rng, pool, reserved_names()))
        noted = draw_change(world)
        _, (before, after) = _program(world)
        code = after if rng.random() < 0.5 else before
        leaf = noted.old_symbol.rstrip(")").replace("(", ".").rsplit(".", 1)[1]
        if leaf not in code:
            entry = _entry(world, noted, f"{world.package}-no-op-{number}", code, code)
            return entry.model_copy(update={"kind": "no_op", "unchanged_because": "unconcerned"})


def _entry(world: World, change: ApiChange, name: str, old: str, new: str) -> Migration:
    return Migration(
        id=name, family_id=name, library=world.package, old_version=world.old_version, new_version=world.new_version, kind=change.kind,
        old_symbol=Symbol(change.old_symbol), new_symbol=Symbol(change.new_symbol), description=change.note, update_info=change.note,
        old_code=old, new_code=new, author="generator", author_means=BY_RULES,
    )  # fmt: skip
