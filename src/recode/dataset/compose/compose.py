"""`recode data compose`: programs that follow two to five updates of a library, made of verified entries and admitted by running."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recode.dataset.compose.module import Step, module, step_name
from recode.dataset.compose.pieces import NotComposable, Pieces, pieces
from recode.dataset.record_reader import locked_releases
from recode.dataset.sources import UnverifiedEntry
from recode.dataset.verify.entries import CheckedEntry, OnProgress, VerifyOptions, check_entries, environments_of
from recode.dataset.verify.execution_cache import CachedRunner
from recode.records import Migration, UpdatePart, read_records, write_records
from recode.symbol import Symbol

COMPOSED_FROM = ("train", "validation", "test_updates", "test_libraries")
"""The splits from which programs are composed; a composition belongs to the split of its parts."""

SHARE = 0.22
"""Compositions tried for each entry of a split."""
MOST_LINES = 80
_SIZES, _WEIGHTS = (2, 3, 4, 5), (45, 30, 15, 10)
_MOST_USES = 2
"""Compositions that one entry may be part of."""
_TRIES = 40
COMPOSED = "composed of verified entries by `recode data compose`"


def composed_file(split: str) -> str:
    """Return the name, without suffix, of the file of a split's compositions."""
    return f"{split}_composed"


@dataclass(frozen=True)
class _Ingredient:
    """An entry that can be part of a composition, with its two programs taken apart."""

    entry: Migration
    old: Pieces
    new: Pieces


def write_composed(
    data: Path, options: VerifyOptions, on_progress: OnProgress = lambda done, total: None
) -> dict[str, list[CheckedEntry]]:
    """Compose programs from each split and write those that hold; return the verdicts by file.

    The same records give the same programs. Results of runs are kept, so a killed run resumes.

    Raises:
        RecordError: a file is bad.
        EnvironmentBuildError: an environment cannot be built.
        SandboxError: this machine gives no isolation.
    """
    run = CachedRunner(fresh=options.fresh, trust=options.trust)
    tried = {name: compose(read_records(data / f"{name}.jsonl", Migration), SHARE) for name in COMPOSED_FROM}
    unverified = {
        name: [UnverifiedEntry(one, locked_releases(one, options.locks), data) for one in entries]
        for name, entries in tried.items()
    }
    environments = environments_of([one for entries in unverified.values() for one in entries], options.locks, run)
    total, before, checked = sum(map(len, unverified.values())), 0, {}
    for name, entries in unverified.items():
        jobs = [(one.entry, environments[one.releases]) for one in entries]
        done = before
        verdicts = check_entries(jobs, run, lambda count, _, done=done: on_progress(done + count, total))  # type: ignore[misc]
        before += len(entries)
        checked[composed_file(name)] = verdicts
        write_records(data / f"{composed_file(name)}.jsonl", (one.entry for one in verdicts if one.admission.holds))
    return checked


def compose(entries: Sequence[Migration], share: float) -> list[Migration]:
    """Return unverified compositions of the entries, `share` for each of them at most, library by library."""
    libraries: dict[str, list[_Ingredient]] = defaultdict(list)
    counts = Counter(entry.library for entry in entries)
    for entry in entries:
        if (ingredient := _ingredient(entry)) is not None:
            libraries[entry.library].append(ingredient)
    made = [
        one for library in sorted(libraries) for one in _of_library(libraries[library], round(share * counts[library]))
    ]
    return sorted(made, key=lambda entry: hashlib.sha256(entry.id.encode()).digest())


def _ingredient(entry: Migration) -> _Ingredient | None:
    if not entry.context:
        return None
    try:
        old, new = pieces(entry.old_code), pieces(entry.new_code)
    except NotComposable:
        return None
    return _Ingredient(entry, old, new)


def _of_library(ingredients: Sequence[_Ingredient], wanted: int) -> Iterator[Migration]:
    """Yield up to `wanted` compositions of distinct families; those used least come first, in an order drawn from a hash."""
    uses: Counter[str] = Counter()
    rng = random.Random(f"recode compose 1 {ingredients[0].entry.library}")
    seen: set[frozenset[str]] = set()
    made = failed = 0
    while made < wanted and failed < _TRIES:
        size = rng.choices(_SIZES, _WEIGHTS)[0]
        chosen = _draw(ingredients, size, uses, rng)
        key = frozenset(one.entry.id for one in chosen)
        entry = None if len(chosen) < 2 or key in seen else _composed(chosen, rng)
        seen.add(key)
        if entry is None:
            failed += 1
            continue
        made, failed = made + 1, 0
        uses.update(one.entry.id for one in chosen)
        yield entry


def _draw(
    ingredients: Sequence[_Ingredient], size: int, uses: Counter[str], rng: random.Random
) -> list[_Ingredient]:  # fmt: skip
    chosen: list[_Ingredient] = []
    free = [one for one in ingredients if uses[one.entry.id] < _MOST_USES]
    rng.shuffle(free)
    free.sort(key=lambda one: uses[one.entry.id])
    for one in free:
        if len(chosen) == size:
            break
        apart = all(one.entry.family_id != other.entry.family_id for other in chosen)
        if apart and rng.random() < 0.5:
            chosen.append(one)
    return chosen


def _composed(chosen: Sequence[_Ingredient], rng: random.Random) -> Migration | None:
    style, taken = rng.randrange(3), set[str]()
    entries = [one.entry for one in chosen]
    try:
        old_steps, new_steps = [], []
        for one in chosen:
            name = step_name(one.entry.context, taken | one.old.names | one.new.names)
            taken.add(name)
            old_steps.append(Step(name, one.entry.context, one.old))
            new_steps.append(Step(name, one.entry.context, one.new))
        old_code, new_code = module(old_steps, style), module(new_steps, style)
    except NotComposable:
        return None
    if max(old_code.count("\n"), new_code.count("\n")) > MOST_LINES or old_code == new_code:
        return None
    first = entries[0]
    digest = hashlib.sha256(" ".join(sorted(entry.id for entry in entries)).encode()).hexdigest()[:10]
    identity = f"{first.library}-composed-{digest}"
    mixed = rng.sample(entries, len(entries))
    return Migration(
        id=identity,
        family_id=identity,
        library=first.library,
        old_version=first.old_version,
        new_version=first.new_version,
        kind=first.kind,
        old_symbol=Symbol(first.old_symbol),
        new_symbol=Symbol(first.new_symbol),
        description=" ".join(entry.description for entry in mixed),
        update_info="\n".join(f"- {entry.update_info.strip()}" for entry in mixed),
        old_code=old_code,
        new_code=new_code,
        context="; ".join(entry.context for entry in entries),
        author=first.author,
        author_means=f"{first.author_means}; {COMPOSED}",
        parts=tuple(
            UpdatePart(family_id=one.family_id, kind=one.kind, old_symbol=one.old_symbol, new_symbol=one.new_symbol)
            for one in entries
        ),
    )
