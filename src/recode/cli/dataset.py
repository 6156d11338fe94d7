"""The commands on the data set: progress while they work, and tables at the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from recode.dataset.build import Files, build
from recode.dataset.compose.compose import write_composed
from recode.dataset.hard_no_ops import write_hard_no_ops
from recode.dataset.levels.build import absent, write_levels
from recode.dataset.synthesize.synthesize import SynthesisModel, SynthesisOptions, SynthesisResult, run_synthesis
from recode.dataset.verify.entries import CheckedEntry, OnProgress, VerifyOptions, verify_files
from recode.dataset.verify.old_release import Inference, infer_file
from recode.display import printable


def run_verify(files: Sequence[Path], options: VerifyOptions, *, as_json: bool) -> bool:
    """Verify and print the entries that fail; return whether all hold.

    Raises:
        RecodeError: a file does not follow the format, an environment cannot be built, or there is no isolation.
    """
    with progress_bar("verifying") as on_progress:
        checked = verify_files(files, options, on_progress)
    failed = [one for one in checked if not one.admission.holds]
    if as_json:
        entries = [
            {"id": one.admission.id, "failures": [asdict(failure) for failure in one.admission.failures]}
            for one in failed
        ]
        typer.echo(json.dumps({"entries": len(checked), "hold": len(checked) - len(failed), "failed": entries}))
    else:
        print_failures(checked, Console())
    return not failed


def run_infer(file: Path, out: Path, options: VerifyOptions) -> bool:
    """Verify a file of published records, print the entries without a release; return whether all hold.

    Raises:
        RecodeError: a line is bad, `out` cannot be written, or there is no isolation.
    """
    exists = out.exists()
    with progress_bar("looking for releases") as on_progress:
        inference = infer_file(file, out, options, on_progress)
    _print_inference(inference, out, exists)
    return inference.all_hold


def run_build(sources: Path, out: Path, options: VerifyOptions, families: int | None) -> None:
    """Build the data set; print what was left out and why, and what each file holds.

    Raises:
        RecodeError: a source does not follow the format, `out` cannot be written, an environment cannot be built, or there is no
            isolation.
    """
    start, console = time.monotonic(), Console()
    with progress_bar("verifying") as on_progress:
        result = build(sources, out, options, families=families, on_progress=on_progress)
    print_failures(result.checked, console)
    for repeat, first in result.repeats.items():
        console.print(f"dropped {printable(repeat)}: near-duplicate of {printable(first)}", markup=False)
    console.print(_counts(result.files))
    console.print(f"built in {time.monotonic() - start:.0f} s")


def run_levels(data: Path) -> None:
    """Take notes from releases; print how many updates have each level.

    Raises:
        RecodeError: a file is bad, the index cannot be reached, or an environment cannot be built.
    """
    with progress_bar("reading releases") as on_progress:
        notes = write_levels(data, on_progress)
    table = Table("level", "updates", "without", title=f"{len(notes)} updates")
    for level, missing in absent(notes).items():
        table.add_row(level, str(len(notes) - missing), str(missing))
    Console().print(table)


def run_compose(data: Path, options: VerifyOptions) -> None:
    """Compose programs; print what does not hold and why, and what each file holds.

    Raises:
        RecodeError: a file is bad, an environment cannot be built, or there is no isolation.
    """
    with progress_bar("verifying") as on_progress:
        checked = write_composed(data, options, on_progress)
    _print_checked(checked)


def run_hard_no_ops(data: Path, options: VerifyOptions) -> None:
    """Make hard no-ops; print what does not hold and why, and what each file holds.

    Raises:
        RecodeError: a file is bad, an environment cannot be built, or there is no isolation.
    """
    with progress_bar("verifying") as on_progress:
        checked = write_hard_no_ops(data, options, on_progress)
    _print_checked(checked)


def _print_checked(checked: Mapping[str, Sequence[CheckedEntry]]) -> None:
    """Print how many entries of each file hold, and which clauses rejected the others."""
    console, clauses = Console(), Counter[str]()
    for name, verdicts in checked.items():
        held = sum(one.admission.holds for one in verdicts)
        console.print(f"{printable(name)}: {held} of {len(verdicts)} entries hold", markup=False)
        clauses.update(one.admission.failures[0].clause for one in verdicts if not one.admission.holds)
    if clauses:
        table = Table("rejected by", "entries")
        for clause, count in clauses.most_common():
            table.add_row(clause, str(count))
        console.print(table)


def run_synthesize(updates: Path, out: Path, model: SynthesisModel, options: SynthesisOptions, confidence: str) -> bool:
    """Have programs written and print the outcome; return whether any entry holds.

    Raises:
        RecodeError: the file holds no updates, an option is wrong, the model does not answer, or there is no isolation.
    """
    errors = Console(stderr=True)

    def on_round(number: int, programs: int) -> None:
        errors.print(f"round {number}: {programs} programs to write", markup=False)

    result = run_synthesis(updates, out, model, options, confidence, on_round)
    print_synthesis(result, Console())
    return bool(result.entries)


def print_failures(checked: Sequence[CheckedEntry], console: Console) -> None:
    """Print a table of the entries that fail, and how many hold."""
    failed = [one for one in checked if not one.admission.holds]
    if failed:
        table = Table("entry", "clause", "reason")
        for one in failed:
            for failure in one.admission.failures:
                table.add_row(printable(one.admission.id), failure.clause, printable(failure.reason))
        console.print(table, markup=False)
    console.print(f"{len(checked) - len(failed)} of {len(checked)} entries hold")


def print_synthesis(result: SynthesisResult, console: Console) -> None:
    """Print how many entries hold, and what rejected the others."""
    table = Table("rejected by", "replies")
    for clause, count in result.rejections.most_common():
        table.add_row(clause, str(count))
    if result.near_duplicates:
        table.add_row("near-duplicate of another entry", str(result.near_duplicates))
    if table.row_count:
        console.print(table)
    families = len({entry.family_id for entry in result.entries})
    console.print(f"{len(result.entries)} entries of {families} families hold; {result.given_up} were given up")


def _print_inference(inference: Inference, out: Path, exists: bool) -> None:
    console = Console()
    failed = [one for one in inference.entries if one.entry is None]
    if failed:
        table = Table("entry", "why no release was found")
        for one in failed:
            table.add_row(printable(one.id), printable(one.reason))
        console.print(table, markup=False)
    held = f"{len(inference.entries) - len(failed)} of {len(inference.entries)} entries hold"
    kept = "" if inference.written or not exists else "; its previous content is kept"
    written = f"written to {printable(out)}" if inference.written else f"{printable(out)} was not written{kept}"
    console.print(f"{held}; {written}", markup=False, soft_wrap=True)


def _counts(files: Files) -> Table:
    """Return a table of entries (and families) per library and file."""
    table = Table("library", *files, title="entries (families)")
    libraries = sorted({entry.library for records in files.values() for entry in records})
    for library in [*libraries, ""]:
        cells = []
        for records in files.values():
            mine = [entry for entry in records if library in ("", entry.library)]
            cells.append(f"{len(mine)} ({len(Counter(entry.family_id for entry in mine))})")
        table.add_row(library or "all", *cells)
    return table


@contextmanager
def progress_bar(description: str) -> Iterator[OnProgress]:
    """Show a progress bar on stderr; yields the function that moves it."""
    columns = (TextColumn(description), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
