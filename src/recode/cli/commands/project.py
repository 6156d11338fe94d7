"""`recode scan` and `recode migrate`: find and rewrite what a release breaks in a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

_Project = Annotated[Path, typer.Argument(help="A project's folder, a Python file or a notebook.")]
_To = Annotated[str, typer.Option(help="The library and the release to move to, as `LIB==B`.")]
_From = Annotated[
    str | None, typer.Option("--from", help="The release it comes from (default: what the project's own files say).")
]
_Confidence = Annotated[float, typer.Option(min=0.0, max=1.0, help="Leave out what is less sure.")]
_Updates = Annotated[
    Path | None, typer.Option(help="A file of updates to use instead of what is known (`recode collect --out`).")
]
_Collect = Annotated[bool, typer.Option("--collect", help="Compare the two releases now, whatever is shipped.")]


@app.command(epilog="Example: `recode scan . --to numpy==2.1.0`")
def scan(
    path: _Project,
    to: _To,
    old: _From = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, a row per use.")] = False,
    sarif: Annotated[Path | None, typer.Option(help="Write a SARIF 2.1.0 file there, for code review tools.")] = None,
    confidence: _Confidence = 0.5,
    updates: _Updates = None,
    collect: _Collect = False,
) -> None:
    """List each use of an API that breaks or is deprecated in a release (exit code 1 if anything breaks). No model is needed."""
    from recode.cli.scan import ScanCommand, run_scan

    if run_scan(ScanCommand(path, to, old, as_json, sarif, confidence, updates, collect)):
        raise typer.Exit(1)


@app.command(epilog="Example: `recode migrate . --to numpy==2.1.0 --tests 'pytest -q' --patch numpy2.patch`")
def migrate(
    path: _Project,
    to: _To,
    old: _From = None,
    tests: Annotated[
        str | None,
        typer.Option(help="A command that proves: run in a copy, old code in the old release, new code in the new."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model folder, a hub name, `recode-tiny`; or the model's name at the endpoint.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, such as http://host:8000/v1.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Change the files (needs a clean git tree).")] = False,
    patch: Annotated[Path | None, typer.Option(help="Write a patch there that `git apply` takes.")] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Ask about each change: yes, no, edit. With --write or --patch.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report there, with the diffs side by side.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    allow_dirty: Annotated[bool, typer.Option("--allow-dirty", help="Write over uncommitted changes.")] = False,
    unproven: Annotated[
        bool,
        typer.Option(
            "--unproven",
            help="Take rewritings that nothing proves, too: a model's, or a rename whose receiver was guessed.",
        ),
    ] = False,
    samples: Annotated[int, typer.Option(min=1, help="Rewritings to ask a model for, a place.")] = 4,
    seed: Annotated[int, typer.Option(help="Of sampling.")] = 0,
    limit: Annotated[
        float, typer.Option(min=1.0, max=86_400, help="Wall time of a run of the tests in seconds.")
    ] = 600.0,
    old_requires: Annotated[
        list[str] | None,
        typer.Option(help="A further pin for the older environment, such as `numpy<2`; repeat for more."),
    ] = None,
    new_requires: Annotated[list[str] | None, typer.Option(help="The same for the newer environment.")] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Build no environment: new names are not checked, no tests run.")
    ] = False,
    confidence: _Confidence = 0.5,
    updates: _Updates = None,
    collect: _Collect = False,
) -> None:
    """Rewrite what a release breaks or deprecates; print the diff (exit code 1 if a place that breaks is left alone).

    Renames are done by syntax tree, without a model. A model's rewriting is offered where the tests prove it (others: `--unproven`).
    """
    from recode.cli.migrate import MigrateCommand, MigrateOutput, run_migrate
    from recode.migrate.result import MigrateOptions

    if offline and tests:
        raise typer.BadParameter("--tests needs environments; leave out --offline")
    if interactive and not (write or patch):
        raise typer.BadParameter("--interactive needs --write or --patch FILE")
    options = MigrateOptions(
        model=model, endpoint=endpoint, samples=samples, seed=seed, tests=tests, test_seconds=limit,
        old_requires=tuple(old_requires or ()), new_requires=tuple(new_requires or ()), environments=not offline,
        confidence=confidence,
    )  # fmt: skip
    output = MigrateOutput(
        write=write, patch=patch, interactive=interactive, html=html, as_json=as_json, allow_dirty=allow_dirty, unproven=unproven
    )  # fmt: skip
    if not run_migrate(MigrateCommand(path, to, old, options, output, updates, collect)):
        raise typer.Exit(1)
