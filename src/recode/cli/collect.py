"""Running `recode collect` and `recode data knowledge`: progress, tables and exit status."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.table import Table

from recode.collect.collector import Collected, CollectRequest, collect
from recode.collect.join.families import UpdateFamily
from recode.errors import RecodeError
from recode.knowledge.build import build_all
from recode.records import write_records

_LOW_CONFIDENCE_ROWS = 40
"""Families of low confidence that the table shows; all are in the file."""


def run_collect(requests: Sequence[CollectRequest], locks: Path | None, out: Path | None, *, as_json: bool) -> bool:
    """Collect each library, print its families and write all of them; return whether every library could be examined.

    A library that fails is reported in one line and does not stop the others. Where all fail, nothing is written.
    """
    console, errors = Console(), Console(stderr=True)
    done: list[Collected] = []
    for request in requests:
        try:
            with Status(request.library, console=errors) as status:
                done.append(collect(request, locks, on_progress=status.update))
        except RecodeError as error:
            errors.print(f"{request.library}: {error}", style="red", markup=False, soft_wrap=True)
    if out is not None and done:
        write_records(out, [family for collected in done for family in collected.families])
    elif out is not None:
        kept = ", what it holds is kept" if out.exists() else ""
        errors.print(f"{out}: not written{kept}", markup=False, soft_wrap=True)
    if as_json:
        print(json.dumps([_as_json(collected) for collected in done], ensure_ascii=False))
    else:
        for collected in done:
            _print(collected, console)
    return len(done) == len(requests)


def run_build(sources: Path, written: Path, out: Path, libraries: Sequence[str], locks: Path | None) -> bool:
    """Build the knowledge of each library and print a line for it; return whether every library could be examined."""
    errors = Console(stderr=True)
    succeeded = True
    with Status("knowledge", console=errors) as status:

        def show(library: str, step: str) -> None:
            status.update(f"{library}: {step}")

        for built in build_all(sources, written, out, libraries, locks, show):
            if built.error:
                succeeded = False
                errors.print(f"{built.library}: {built.error}", style="red", markup=False, soft_wrap=True)
            if built.updates is not None:
                errors.print(f"{built.library}: {built.updates} updates", highlight=False)
    return succeeded


def _as_json(collected: Collected) -> dict[str, object]:
    request = collected.request
    return {
        "library": request.library,
        "old_version": request.old,
        "new_version": request.new,
        "seconds": round(collected.seconds, 1),
        "remarks": collected.remarks,
        "findings": [family.model_dump(mode="json") for family in collected.families],
    }


def _print(collected: Collected, console: Console) -> None:
    request = collected.request
    title = f"{request.library} {request.old} → {request.new}"
    table = Table("kind", "old", "new", "since", "evidence", "confidence", title=title)
    low = 0
    for family in collected.families:
        low += family.confidence == "low"
        if low <= _LOW_CONFIDENCE_ROWS or family.confidence != "low":
            table.add_row(*_row(family))
    console.print(table, markup=False)
    kinds = Counter(family.update.kind for family in collected.families)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    console.print(f"{len(collected.families)} families: {counts}")
    if low > _LOW_CONFIDENCE_ROWS:
        more = low - _LOW_CONFIDENCE_ROWS
        console.print(f"{more} more of low confidence are in the file (--out) and in --json")
    for remark in collected.remarks:
        console.print(remark, style="dim", markup=False)
    console.print(f"{collected.seconds:.0f} s")


def _row(family: UpdateFamily) -> tuple[str, ...]:
    update = family.update
    since = update.removed_in or update.deprecated_in
    evidence = update.evidence[0]
    more = f" +{len(family.also)}" if family.also else ""
    where = f"{evidence.source}, {evidence.package_version} {evidence.file}:{evidence.line}"
    return update.kind, update.old_symbol + more, update.new_symbol, since, where, family.confidence
